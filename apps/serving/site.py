"""What this server serves: put together once, used by its routes and by its pages."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.routing import Route
from viewer.script import route as bundle_route

from medlib.workspace import Workspace
from serving.depot import Depot
from serving.routes import Scans
from serving.shelf import Shelf


@dataclass(frozen=True)
class Site:
    """A workspace, open to browsers.

    Args:
        workspace: what pages call for all but scans and outlines on the wire.
        shelf: those.
        person: who sits at this machine, and does what is done here.
    """

    workspace: Workspace
    shelf: Shelf
    person: str

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        depot = Depot(self.workspace.derived / "browser")
        return [*Scans(self.shelf, depot).routes(), bundle_route()]


@cache
def site() -> Site | None:
    """The workspace on the command line, made if need be; None where none is named.

    ``streamlit run apps/app.py -- WORKSPACE``
    """
    if not (said := sys.argv[1:2]):
        return None
    workspace = Workspace(Path(said[0]).expanduser())
    return Site(workspace, Shelf(workspace), getpass.getuser())
