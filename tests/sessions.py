"""Time that goes by for who is logged in."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from medlib.workspace import Workspace
from medlib.workspace.schema import Login


def pass_time(workspace: Workspace, **how_long: float) -> None:
    """All sessions are older by this much, and were used last that much longer ago."""
    ago = timedelta(**how_long)
    with workspace._database.writing() as session:
        for login in session.scalars(select(Login)):
            login.made, login.expires = login.made - ago, login.expires - ago
