"""What this server serves: put together once, used by its routes and by its pages."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from serving.depot import Depot
from serving.folder_shelf import FolderShelf
from serving.links import Right, Signer
from serving.routes import Scans
from starlette.routing import Route
from viewer.bundle import route as bundle_route

from medlib.types import Labels


@dataclass(frozen=True)
class Site:
    """A server's scans, and the key that its links are signed with.

    Args:
        shelf: where scans and outlines lie.
        signer: of this process; links of another one are not good here.
    """

    shelf: FolderShelf
    signer: Signer

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        return [*Scans(self.shelf, self.signer, Depot()).routes(), bundle_route()]

    def link(self, case: str, right: Right) -> str:
        """Leave to read or write a scan, for a browser."""
        return self.signer.sign(case, right)


@cache
def site() -> Site | None:
    """The site of the folder on the command line; None where there is none.

    ``streamlit run apps/app.py -- SCANS [OUTLINES]``: outlines go beside the scans by default.
    """
    if not (said := sys.argv[1:3]):
        return None
    scans = Path(said[0]).expanduser().resolve()
    beside = scans.with_name(f"{scans.name}-outlines")
    outlines = Path(said[1]).expanduser().resolve() if len(said) > 1 else beside
    shelf = FolderShelf(scans, outlines, Labels.of(["structure 1"]))
    return Site(shelf, Signer(secrets.token_bytes(32)))
