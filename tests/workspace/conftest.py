"""Workspaces, on SQLite and on a PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from medlib.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, address: str) -> Iterator[Workspace]:
    with Workspace(tmp_path / "workspace", address) as found:
        yield found


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Workspace]:
    """On SQLite only, for what does not differ."""
    with Workspace(tmp_path / "workspace") as found:
        yield found
