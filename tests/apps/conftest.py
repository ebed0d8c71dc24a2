"""What tests of pages share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _forms_end() -> Iterator[None]:
    """AppTest runs pages in the tests' own thread: what one leaves open is the next one's too."""
    singletons = pytest.importorskip("streamlit.delta_generator_singletons")
    yield
    singletons.context_dg_stack.set(singletons.get_default_dg_stack_value())


@pytest.fixture(autouse=True)
def _main_stays_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest puts the page in the place of ``__main__``, which spawned processes then run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
