"""What tests of pages share."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _main_stays_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest puts the page in the place of ``__main__``, which spawned processes then run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
