"""What routes have in common: who is let in, what is read of a request, and how things are refused.

Routes go past a page's login, so each asks for leave itself; it comes as a bearer token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from medlib.io.files import FILE_ERRORS
from medlib.space import Grid
from medlib.workspace import Conflict, NotAllowedError, NotThereError, WorkspaceError
from serving.reduced import Blocks
from serving.shelf import Case, Shelf
from serving.wire import LARGEST, MaskRefusedError

Endpoint = Callable[[Request], Awaitable[Response]]
AT = "/medlib/cases/{case}"
# Nothing of a patient may stay in the browser's cache, nor in a proxy's.
UNCACHED = {"Cache-Control": "no-store"}
PACKED = UNCACHED | {"Content-Encoding": "gzip"}


class TooLargeError(ValueError):
    """More was sent than there can be to say."""


class RefusedError(ValueError):
    """What was asked for cannot be done with this scan; the message says what to do."""


def admitted(shelf: Shelf, request: Request, action: str) -> tuple[Case, str]:
    """The case that is asked for, and who may do this with it.

    Raises:
        NotAllowedError: without leave for it, in a session of whom it is for.
        NotThereError: for what is no case.
    """
    case = Case.named(str(request.path_params["case"]))
    scheme, _, link = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAllowedError("a link is needed")
    return case, shelf.person(link, case, action, request.cookies)


def blocks_of(request: Request, grid: Grid) -> Blocks:
    """How coarse the scan is in this browser."""
    wants_reduced = request.query_params.get("grid") == "reduced"
    return Blocks.within(grid) if wants_reduced else Blocks(grid)


def number(request: Request, name: str) -> int | None:
    """A version's number in the query; None where there is none."""
    said = request.query_params.get(name, "")
    return int(said) if said.isdecimal() and said.isascii() and len(said) < 10 else None


def base_of(request: Request) -> int:
    """The version that something was made from.

    Raises:
        MaskRefusedError: where that is not said.
    """
    base = number(request, "base")
    if base is None:
        raise MaskRefusedError("it is not said which version this was made from")
    return base


async def body(request: Request, most: int = LARGEST) -> bytes:
    """What was sent, which may be no more than this, whatever it says of itself.

    Raises:
        TooLargeError: if it is.
    """
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > most:
            raise TooLargeError(f"at most {most // 2**10} kB can be sent")
    return bytes(received)


_STATUS: Mapping[type[ValueError], int] = {
    NotAllowedError: 401,
    NotThereError: 404,
    Conflict: 409,
    TooLargeError: 413,
    MaskRefusedError: 422,
    RefusedError: 422,
    WorkspaceError: 422,
}


def said(endpoint: Endpoint) -> Endpoint:
    """What cannot be done is said in a sentence, with the status that the browser acts on."""

    @wraps(endpoint)
    async def saying(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (*FILE_ERRORS, ValueError) as error:
            status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
            # Other words may hold paths and names: a page shows them, not what a browser fetches.
            reason = str(error) if status != 500 else "the scan or its outline cannot be read"
            content: dict[str, str | int] = {"reason": reason}
            if isinstance(error, Conflict):
                content |= {"newest": error.theirs.id, "aside": error.mine.id}
            return JSONResponse(content, status, headers=UNCACHED)

    return saying


def packed(path: Path, said: Mapping[str, str]) -> Response:
    """A file that is packed already."""
    return FileResponse(path, media_type="application/octet-stream", headers={**PACKED, **said})
