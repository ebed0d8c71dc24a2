"""The routes that volumes and masks take, past Streamlit's own, which are several times as slow.

Each asks for leave itself, since a page's login does not reach them; it comes as a bearer token.

- ``GET /medlib/cases/{case}/volume[?grid=reduced]``: how coarse it is, is in ``X-Blocks``
- ``GET /medlib/cases/{case}/mask[?grid=reduced]``: its version is in ``X-Version``
- ``PUT /medlib/cases/{case}/mask?base=VERSION[&merges=VERSION][&grid=reduced]``: gives the new one
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from medlib.io.files import FILE_ERRORS
from medlib.space import Grid
from medlib.workspace import Conflict, NotAllowedError, NotThereError
from serving.depot import Depot
from serving.reduced import Blocks
from serving.shelf import Case, Shelf
from serving.wire import LARGEST, MaskRefusedError, decode_mask, encode_mask, encode_volume

_Endpoint = Callable[[Request], Awaitable[Response]]
# Nothing of a patient may stay in the browser's cache, nor in a proxy's.
_PRIVATE = {"Cache-Control": "no-store", "Content-Encoding": "gzip"}


class TooLargeError(ValueError):
    """More was sent than a mask can be."""


class Scans:
    """Hands out scans, and takes masks in.

    Args:
        shelf: where they lie.
        depot: for what has been made ready.
    """

    def __init__(self, shelf: Shelf, depot: Depot) -> None:
        self._shelf, self._depot = shelf, depot

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        at = "/medlib/cases/{case}"
        return [
            Route(f"{at}/volume", _said(self._get_volume), methods=["GET"]),
            Route(f"{at}/mask", _said(self._get_mask), methods=["GET"]),
            Route(f"{at}/mask", _said(self._put_mask), methods=["PUT"]),
        ]

    async def _get_volume(self, request: Request) -> Response:
        def make() -> tuple[Path, Blocks]:
            case, _ = self._admitted(request, "view")
            blocks = _blocks(request, self._shelf.grid(case))
            key = f"volume {self._shelf.digest(case)} {blocks.factors}"
            ready = self._depot.file(
                key, lambda: encode_volume(blocks.scan(self._shelf.volume(case)))
            )
            return ready, blocks

        path, blocks = await to_thread.run_sync(make)
        return _packed(path, {"X-Blocks": ",".join(map(str, blocks.factors))})

    async def _get_mask(self, request: Request) -> Response:
        def make() -> tuple[Path, int]:
            case, _ = self._admitted(request, "view")
            version = self._shelf.newest(case)
            blocks = _blocks(request, self._shelf.grid(case))

            def encode() -> bytes:
                return encode_mask(
                    blocks.outline(self._shelf.drawing(case, version).mask), str(case)
                )

            return self._depot.file(f"mask {case} {version} {blocks.factors}", encode), version

        path, version = await to_thread.run_sync(make)
        return _packed(path, {"X-Version": str(version)})

    async def _put_mask(self, request: Request) -> Response:
        case, person = await to_thread.run_sync(self._admitted, request, "label")
        base, merges = _number(request, "base"), _number(request, "merges")
        if base is None:
            raise MaskRefusedError("the mask does not say which version it was drawn on")
        packed = await _body(request)

        def keep() -> int:
            blocks = _blocks(request, self._shelf.grid(case))
            labels = self._shelf.labels(case)
            mask = decode_mask(packed, case=str(case), grid=blocks.coarse, labels=labels)
            fine = self._shelf.drawing(case, base).mask
            whole = blocks.onto(fine, mask)
            return self._shelf.save(case, whole, base=base, by=person, merges=merges)

        version = await to_thread.run_sync(keep)
        digest = hashlib.sha256(packed).hexdigest()
        return JSONResponse({"case": str(case), "version": version, "sha256": digest})

    def _admitted(self, request: Request, action: str) -> tuple[Case, str]:
        """The case that is asked for, and who may do this with it."""
        case = Case.named(str(request.path_params["case"]))
        scheme, _, link = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAllowedError("a link is needed")
        return case, self._shelf.person(link, case, action)


def _blocks(request: Request, grid: Grid) -> Blocks:
    wants_reduced = request.query_params.get("grid") == "reduced"
    return Blocks.within(grid) if wants_reduced else Blocks(grid)


def _number(request: Request, name: str) -> int | None:
    said = request.query_params.get(name, "")
    return int(said) if said.isdecimal() and said.isascii() and len(said) < 10 else None


async def _body(request: Request) -> bytes:
    """What was sent, which may be no more than a mask can be, whatever it says of itself."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST:
            raise TooLargeError(f"a mask has at most {LARGEST // 2**20} MB when it is packed")
    return bytes(received)


def _packed(path: Path, said: dict[str, str]) -> Response:
    return FileResponse(path, media_type="application/octet-stream", headers=_PRIVATE | said)


_STATUS: Mapping[type[ValueError], int] = {
    NotAllowedError: 401,
    NotThereError: 404,
    Conflict: 409,
    TooLargeError: 413,
    MaskRefusedError: 422,
}


def _said(endpoint: _Endpoint) -> _Endpoint:
    """What cannot be done is said in a sentence, with the status that the browser acts on."""

    @wraps(endpoint)
    async def saying(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (*FILE_ERRORS, ValueError) as error:
            status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
            # Other words may hold paths and names: a page shows them, not what a browser fetches.
            reason = str(error) if status != 500 else "the scan or its outline cannot be read"
            body: dict[str, str | int] = {"reason": reason}
            if isinstance(error, Conflict):
                body |= {"newest": error.theirs.id, "aside": error.mine.id}
            return JSONResponse(body, status, headers={"Cache-Control": "no-store"})

    return saying
