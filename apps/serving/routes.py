"""The routes that volumes and masks take, past Streamlit's own, which are ten times as slow.

Each asks for leave itself, since a page's login does not reach them:

- ``GET  /medlib/scans/{case}/volume[?grid=reduced]``
- ``GET  /medlib/scans/{case}/mask[?grid=reduced]``: its revision is in ``X-Revision``
- ``PUT  /medlib/scans/{case}/mask?base=REVISION[&grid=reduced]``: gives the new revision
- ``GET  /medlib/viewer/{version}/viewer.js``: the browser's part; no patient in it
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path

from anyio import to_thread
from serving.depot import Depot
from serving.links import NotAllowedError, Right, Signer
from serving.reduced import Blocks
from serving.shelf import NotThereError, Shelf, StaleError
from serving.wire import LARGEST, MaskRefusedError, decode_mask, encode_mask, encode_volume
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from medlib.io.files import FILE_ERRORS

_Endpoint = Callable[[Request], Awaitable[Response]]
# Nothing of a patient may stay in the browser's cache, nor in a proxy's.
_PRIVATE = {"Cache-Control": "no-store", "Content-Encoding": "gzip"}


class TooLargeError(ValueError):
    """More was sent than a mask can be."""


class Scans:
    """Hands out scans and takes masks in.

    Args:
        shelf: where they lie.
        signer: whose links are good.
        depot: for what has been made ready.
    """

    def __init__(self, shelf: Shelf, signer: Signer, depot: Depot) -> None:
        self._shelf, self._signer, self._depot = shelf, signer, depot

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        at = "/medlib/scans/{case:str}"
        return [
            Route(f"{at}/volume", _said(self._get_volume), methods=["GET"]),
            Route(f"{at}/mask", _said(self._get_mask), methods=["GET"]),
            Route(f"{at}/mask", _said(self._put_mask), methods=["PUT"]),
        ]

    async def _get_volume(self, request: Request) -> Response:
        case, coarse = self._allowed(request, Right.READ), _wants_reduced(request)

        def make() -> bytes:
            volume = self._shelf.volume(case)
            return encode_volume(Blocks.within(volume.grid).scan(volume) if coarse else volume)

        path = await to_thread.run_sync(self._depot.file, f"{case} {coarse}", make)
        return FileResponse(path, media_type="application/octet-stream", headers=_PRIVATE)

    async def _get_mask(self, request: Request) -> Response:
        case, coarse = self._allowed(request, Right.READ), _wants_reduced(request)

        def make() -> tuple[Path, int]:
            drawing = self._shelf.drawing(case)
            mask = drawing.mask
            mask = Blocks.within(mask.grid).outline(mask) if coarse else mask
            key = f"{case} {coarse} mask {drawing.revision}"
            return self._depot.file(key, lambda: encode_mask(mask, case)), drawing.revision

        path, revision = await to_thread.run_sync(make)
        headers = _PRIVATE | {"X-Revision": str(revision)}
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    async def _put_mask(self, request: Request) -> Response:
        case, coarse = self._allowed(request, Right.WRITE), _wants_reduced(request)
        base = request.query_params.get("base", "")
        if not (base.isdecimal() and len(base) < 10):
            raise MaskRefusedError("the mask does not say which revision it was drawn on")
        packed = await _body(request)

        def keep() -> int:
            drawing = self._shelf.drawing(case)
            if drawing.revision != int(base):
                raise StaleError(drawing.revision)
            fine, labels = drawing.mask, self._shelf.labels(case)
            blocks = Blocks.within(fine.grid) if coarse else None
            grid = blocks.coarse if blocks else fine.grid
            mask = decode_mask(packed, case=case, grid=grid, labels=labels)
            return self._shelf.save(case, blocks.onto(fine, mask) if blocks else mask, int(base))

        revision = await to_thread.run_sync(keep)
        digest = hashlib.sha256(packed).hexdigest()
        return JSONResponse({"case": case, "revision": revision, "sha256": digest})

    def _allowed(self, request: Request, right: Right) -> str:
        case = str(request.path_params["case"])
        scheme, _, link = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAllowedError("a link is needed")
        self._signer.check(link, case, right)
        return case


def _wants_reduced(request: Request) -> bool:
    return request.query_params.get("grid") == "reduced"


async def _body(request: Request) -> bytes:
    """What was sent, which may be no more than a mask can be, whatever it says of itself."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST:
            raise TooLargeError(f"a mask has at most {LARGEST // 2**20} MB when it is packed")
    return bytes(received)


def _said(endpoint: _Endpoint) -> _Endpoint:
    """What cannot be done is said in a sentence, with the status that the browser acts on."""

    @wraps(endpoint)
    async def saying(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NotAllowedError as error:
            return _refusal(401, error)
        except NotThereError as error:
            return _refusal(404, error)
        except StaleError as error:
            return _refusal(409, error, newest=error.newest)
        except TooLargeError as error:
            return _refusal(413, error)
        except FILE_ERRORS:
            # Its words may hold paths and names, which are the page's to show, not this route's.
            return JSONResponse({"reason": "the scan's files cannot be read"}, status_code=500)
        except ValueError as error:
            return _refusal(422, error)

    return saying


def _refusal(status: int, error: Exception, **more: int) -> Response:
    body = {"reason": str(error), **more}
    return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store"})
