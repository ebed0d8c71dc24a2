"""Older versions of an outline, to be looked at: routes that can only be read.

- ``GET /medlib/cases/{case}/versions/{version}/volume``: the scan, as it is for the newest
- ``GET /medlib/cases/{case}/versions/{version}/mask``: the outline as it was

A version of another scan or label set is not there, nor is what others said for whoever is to read second.
"""

from __future__ import annotations

from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.depot import Depot
from serving.door import AT, Endpoint, admitted, blocks_of, packed, said
from serving.shelf import Case, Shelf


def address(case: Case, version: int) -> str:
    """The version, as the viewer calls what it shows."""
    return f"{case}/versions/{version}"


class Older:
    """Hands them out.

    Args:
        shelf: where they lie.
        depot: for what has been made ready.
    """

    def __init__(self, shelf: Shelf, depot: Depot) -> None:
        self._shelf, self._depot = shelf, depot

    def routes(self, volume: Endpoint) -> list[Route]:
        """For :class:`streamlit.App`.

        Args:
            volume: gives the scan itself.
        """
        at = f"{AT}/versions/{{version:int}}"
        return [
            Route(f"{at}/volume", said(volume), methods=["GET"]),
            Route(f"{at}/mask", said(self._get), methods=["GET"]),
        ]

    async def _get(self, request: Request) -> Response:
        def make() -> tuple[Path, dict[str, str]]:
            case, person = admitted(self._shelf, request, "view")
            version = int(request.path_params["version"])
            drawing = self._shelf.drawing(case, version)  # first: it may be another case's
            self._shelf.blind.must_be_known(case, person, version)
            blocks = blocks_of(request, self._shelf.grid(case))
            mark = self._shelf.mark(case, blocks)
            headers = {"X-Version": str(version), "X-Drawer": self._shelf.drawer(case, person)}
            path = self._depot.file(
                f"outline {mark} {version}", lambda: drawing.shown(blocks, {"scan": mark}).pack()
            )
            self._shelf.note_view(case, person)
            return path, headers

        return packed(*await to_thread.run_sync(make))
