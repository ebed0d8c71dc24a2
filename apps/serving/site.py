"""What this server serves: put together once, used by its routes and by its pages."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from starlette.routing import Route
from viewer.script import route as bundle_route

from medlib.workspace import Workspace
from serving.depot import Depot
from serving.errands import Errands
from serving.exports import Exports
from serving.routes import Scans
from serving.shelf import Shelf
from serving.thumbnails import Thumbnails

LOCAL = ("localhost", "127.0.0.1")
"""Names by which a browser reaches the machine that it runs on."""


@dataclass(frozen=True)
class Site:
    """A workspace, open to browsers.

    Args:
        workspace: what pages call for all but scans and outlines on the wire.
        shelf: those.
        person: who sits at this machine, and does what is done here while nobody has an account.
        names: hosts that browsers may call this server by.
        errands: slow things that are being done.
    """

    workspace: Workspace
    shelf: Shelf
    person: str
    names: tuple[str, ...] = LOCAL
    errands: Errands = field(default_factory=Errands)

    @property
    def has_accounts(self) -> bool:
        """Whether people log in; else the workspace belongs to whoever sits at the machine."""
        return bool(self.workspace.people.list())

    @property
    def thumbnails(self) -> Thumbnails:
        """Small pictures of the scans."""
        return Thumbnails(self.workspace)

    @property
    def exports(self) -> Exports:
        """What waits to be downloaded."""
        return Exports(self.workspace)

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        depot = Depot(self.workspace.derived / "browser")
        scans = Scans(self.shelf, depot).routes()
        return [*scans, *self.thumbnails.routes(), *self.exports.routes(), bundle_route()]


def opened(arguments: Sequence[str]) -> Site | None:
    """The workspace on a command line, made if need be; None where none is named.

    Args:
        arguments: ``WORKSPACE [--name HOST …]``. The address of a database on a server may hold a
            password, and is therefore in the environment: ``MEDLIB_DATABASE``.
    """
    parser = argparse.ArgumentParser(prog="streamlit run apps/app.py --")
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--name", action="append", default=[])
    said = parser.parse_args(arguments)
    if said.workspace is None:
        return None
    workspace = Workspace(said.workspace.expanduser(), os.environ.get("MEDLIB_DATABASE", ""))
    names = (*LOCAL, *said.name)
    return Site(workspace, Shelf(workspace), getpass.getuser(), names)


@cache
def site() -> Site | None:
    """What the command line of this process names: ``streamlit run apps/app.py -- WORKSPACE``."""
    return opened(sys.argv[1:])
