"""The built script, served under an address that changes with it, so that browsers may keep it.

Streamlit can serve a component's files itself, but only from inside an installed package, whose
folder is another one in a checkout than in a wheel; and it lets browsers ask again each time.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FILE = Path(__file__).parent / "bundle" / "viewer.js"


@cache
def _packed() -> tuple[str, bytes]:
    raw = _FILE.read_bytes()
    return hashlib.sha256(raw).hexdigest()[:16], gzip.compress(raw, mtime=0)


def address() -> str:
    """Where the script is, on this server."""
    return f"/medlib/viewer/{_packed()[0]}/viewer.js"


def route() -> Route:
    """Serves the script. It holds nothing of a patient, and needs no leave."""
    return Route("/medlib/viewer/{version}/viewer.js", _script, methods=["GET"])


async def _script(request: Request) -> Response:
    version, packed = _packed()
    if request.path_params["version"] != version:
        return Response("another version is served now; load the page again", status_code=404)
    headers = {
        "Content-Encoding": "gzip",
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return Response(packed, media_type="text/javascript", headers=headers)
