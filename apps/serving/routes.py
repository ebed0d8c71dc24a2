"""The routes that scans and outlines take, past Streamlit's own, which are several times as slow.

- ``GET /medlib/cases/{case}/volume[?grid=reduced]``: how coarse it is, is in ``X-Blocks``
- ``GET /medlib/cases/{case}/mask[?grid=reduced]``: its version is in ``X-Version``, and where a
  browser keeps what is not saved yet, in ``X-Drawer``
- ``PUT /medlib/cases/{case}/mask?base=VERSION[&merges=VERSION][&grid=reduced]``: takes the box
  that changed since ``base`` (or since ``merges``, a version aside), gives the new version
- ``PUT …/mask?…&merges=VERSION&both=yes``: the same, put together with what counts by now
- ``GET /medlib/cases/{case}/both?mine=VERSION``: whether that can be done: on how many slices both
  changed the same voxels
- ``GET``, ``PUT /medlib/cases/{case}/answers`` and ``…/points``: in JSON
- ``GET /medlib/cases/{case}/drawn/{version}/…``: the same four, to be signed; the newest version's
  number makes it another address, so that a browser asks anew, when somebody has saved meanwhile
- ``POST /medlib/cases/{case}/assist``: see :mod:`serving.assistant`
- ``GET /medlib/cases/{case}/versions/{version}/…``: see :mod:`serving.older`
- ``GET /medlib/cases/{case}/{layer}/…``: see :mod:`serving.layers`

Whoever is to read a prediction second gets none of what others said, see :mod:`serving.blind`.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from medlib.workspace import Content, WorkspaceError
from serving.assistant import Assistant
from serving.depot import Depot
from serving.door import (
    AT,
    PACKED,
    UNCACHED,
    RefusedError,
    admitted,
    base_of,
    blocks_of,
    body,
    number,
    packed,
    said,
)
from serving.layers import Layers
from serving.older import Older
from serving.reduced import Blocks
from serving.shelf import Case, Shelf
from serving.turning import Turn
from serving.wire import MaskRefusedError, Patch, encode_volume, unpack

_MOST_SAID = 2**16  # bytes of answers or landmarks


class Scans:
    """Hands out scans, and takes in what is said of them.

    Args:
        shelf: where they lie.
        depot: for what has been made ready.
    """

    def __init__(self, shelf: Shelf, depot: Depot) -> None:
        self._shelf, self._depot = shelf, depot
        self._assistant = Assistant(shelf)
        self._layers = Layers(shelf, depot)
        self._older = Older(shelf, depot)

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        entries, drawn = f"{AT}/{{content}}", f"{AT}/drawn/{{version:int}}"
        return [
            Route(f"{AT}/volume", said(self._get_volume), methods=["GET"]),
            Route(f"{AT}/mask", said(self._get_mask), methods=["GET"]),
            Route(f"{AT}/mask", said(self._put_mask), methods=["PUT"]),
            Route(f"{AT}/assist", said(self._assist), methods=["POST"]),
            Route(f"{drawn}/volume", said(self._get_volume), methods=["GET"]),
            Route(f"{drawn}/mask", said(self._get_mask), methods=["GET"]),
            Route(f"{drawn}/{{content}}", said(self._get_entries), methods=["GET"]),
            Route(f"{AT}/both", said(self._get_both), methods=["GET"]),
            *self._older.routes(self._get_volume),
            *self._layers.routes(self._get_volume),
            Route(entries, said(self._get_entries), methods=["GET"]),
            Route(entries, said(self._put_entries), methods=["PUT"]),
        ]

    # --- scans and outlines --------------------------------------------------------------------

    async def _get_volume(self, request: Request) -> Response:
        def make() -> tuple[Path, Blocks]:
            case, person = admitted(self._shelf, request, "view")
            blocks = blocks_of(request, self._shelf.grid(case))
            key = f"volume {self._shelf.digest(case)} {blocks.factors}"
            ready = self._depot.file(
                key, lambda: encode_volume(blocks.scan(self._shelf.volume(case)))
            )
            self._shelf.note_view(case, person)
            return ready, blocks

        path, blocks = await to_thread.run_sync(make)
        return packed(path, {"X-Blocks": ",".join(map(str, blocks.factors))})

    async def _get_mask(self, request: Request) -> Response:
        def make() -> tuple[Path, dict[str, str]]:
            case, person = admitted(self._shelf, request, "view")
            version = self._shelf.newest(case)
            self._shelf.blind.must_be_known(case, person, version)
            blocks = blocks_of(request, self._shelf.grid(case))
            mark = self._shelf.mark(case, blocks)

            def encode() -> bytes:
                return self._shelf.begun(case, version).shown(blocks, {"scan": mark}).pack()

            headers = {"X-Version": str(version), "X-Drawer": self._shelf.drawer(case, person)}
            sent_back = " sent back" if self._shelf.is_sent_back(version) else ""
            ready = self._depot.file(f"outline {mark} {version}{sent_back}", encode)
            self._shelf.note_view(case, person)
            return ready, headers

        return packed(*await to_thread.run_sync(make))

    async def _put_mask(self, request: Request) -> Response:
        case, person = await to_thread.run_sync(admitted, self._shelf, request, "label")
        base, merges = base_of(request), number(request, "merges")
        sent = await body(request)

        def keep() -> int:
            blocks, patch = self._patch(request, case, sent)
            self._shelf.blind.must_not_draw_on(case, person, merges or base)
            drawn = self._shelf.begun(case, merges or base).changed(patch, blocks)
            if merges and "both" in request.query_params:
                self._shelf.blind.must_be_known(case, person, self._shelf.newest(case))
                return self._shelf.save_both(case, drawn, by=person)
            return self._shelf.save(case, replace(drawn, version=base), by=person, merges=merges)

        version = await to_thread.run_sync(keep)
        return JSONResponse({"case": str(case), "version": version}, headers=UNCACHED)

    async def _get_both(self, request: Request) -> Response:
        def count() -> int:
            case, person = admitted(self._shelf, request, "label")
            self._shelf.blind.must_be_known(case, person, self._shelf.newest(case))
            return self._shelf.disputed(case, number(request, "mine") or 0)

        disputed = await to_thread.run_sync(count)
        return JSONResponse({"disputed": disputed}, headers=UNCACHED)

    async def _assist(self, request: Request) -> Response:
        case, person = await to_thread.run_sync(admitted, self._shelf, request, "label")
        base = base_of(request)
        sent = await body(request)

        def help_out() -> bytes:
            self._shelf.blind.must_not_draw_on(case, person, base)
            blocks, patch = self._patch(request, case, sent)
            try:
                answer = self._assistant.answer(case, base, patch, blocks)
            except (MaskRefusedError, WorkspaceError):
                raise
            except (ValueError, KeyError) as error:
                raise RefusedError(_sentence(error)) from None
            return gzip.compress(answer.pack(), compresslevel=1, mtime=0)

        answer = await to_thread.run_sync(help_out)
        return Response(answer, media_type="application/octet-stream", headers=PACKED)

    def _patch(self, request: Request, case: Case, sent: bytes) -> tuple[Blocks, Patch]:
        """What a browser drew on this scan.

        Raises:
            MaskRefusedError: if it was drawn on another.
        """
        blocks = blocks_of(request, self._shelf.grid(case))
        patch = unpack(sent, Turn.of(blocks.coarse).turned)
        if patch.said.get("scan") != self._shelf.mark(case, blocks):
            raise MaskRefusedError("this mask is of another scan")
        return blocks, patch

    # --- answers and landmarks -----------------------------------------------------------------

    async def _get_entries(self, request: Request) -> Response:
        def read() -> dict[str, object]:
            case, person = admitted(self._shelf, request, "view")
            content = _content(request)
            entries, version = self._shelf.entries(case, content)
            self._shelf.blind.must_be_known(case, person, version, content)
            return {"entries": entries, "version": version}

        return JSONResponse(await to_thread.run_sync(read), headers=UNCACHED)

    async def _put_entries(self, request: Request) -> Response:
        case, person = await to_thread.run_sync(admitted, self._shelf, request, "label")
        content, base, merges = _content(request), base_of(request), number(request, "merges")
        sent = await body(request, _MOST_SAID)

        def keep() -> int:
            try:
                entries = json.loads(sent)["entries"]
                places = (
                    [] if content == Content.ANSWERS else [map(float, p) for p in entries.values()]
                )
                whole = isinstance(entries, dict) and all(len([*place]) == 3 for place in places)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                whole = False
            if not whole:
                raise MaskRefusedError("what was sent says nothing of this scan")
            return self._shelf.save_entries(
                case, content, entries, base=base, by=person, merges=merges
            )

        version = await to_thread.run_sync(keep)
        return JSONResponse({"case": str(case), "version": version}, headers=UNCACHED)


def _content(request: Request) -> Content:
    """Which of the two is meant."""
    name = str(request.path_params["content"])
    if name not in (Content.ANSWERS, Content.POINTS):
        raise WorkspaceError("there are answers and points")
    return Content(name)


def _sentence(error: Exception) -> str:
    return str(error.args[0]) if error.args else "this cannot be done here"
