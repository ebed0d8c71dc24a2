"""The entrance: who is let in to anything at all, and the page where one logs in.

While nobody has an account, this machine's browsers are let in, and no others. With accounts a
session is needed, whatever is asked for: pages, Streamlit's own channels, scans. Its token is in
a cookie that no script can read and no other site's page can use. Where an OpenID provider logs
people in, the pages that lead there are open too, and nothing else.

- ``GET /medlib/login``: the page
- ``POST /medlib/login``: name and password; gives the cookie
"""

from __future__ import annotations

import html
import ipaddress
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from medlib.workspace import NotAllowedError
from medlib.workspace.people import SESSION
from serving.session import COOKIE, user_of
from serving.site import LOCAL, Site

LOGIN = "/medlib/login"
_OPEN = (LOGIN, "/_stcore/health", "/static/")  # Streamlit's own scripts are no secret
# What Streamlit needs to ask a provider. Its pages show no more than that to whom they do not know.
_TO_PROVIDER = ("/_stcore/stream", "/_stcore/host-config", "/auth/login", "/auth/logout")
_LARGEST = 4096  # bytes of a name and a password
_FOREIGN = "This page is only for the machine that it runs on."
_ELSEWHERE = "That was asked by a page of another site."


class Entrance:
    """Stands before all else.

    Args:
        app: what there is to enter.
        site: whose accounts count.
        vouched: whether Streamlit logs people in by an OpenID provider: from a page of its own,
            which therefore has to be open.
    """

    def __init__(self, app: ASGIApp, site: Site, *, vouched: bool = False) -> None:
        self.app, self._site, self._vouched = app, site, vouched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI calls it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        refusal = await self._refusal(HTTPConnection(scope))
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _refusal(self, asked: HTTPConnection) -> Response | None:
        if not is_from_here(asked):
            return JSONResponse({"reason": _ELSEWHERE}, 403)
        if not await to_thread.run_sync(lambda: self._site.has_accounts):
            return None if is_local(asked) else HTMLResponse(_page(html.escape(_FOREIGN)), 403)
        return await self._asked_in(asked)

    async def _asked_in(self, asked: HTTPConnection) -> Response | None:
        """With accounts: a session, but for what leads to one."""
        path = asked.url.path
        if any(path == way or (way.endswith("/") and path.startswith(way)) for way in _OPEN):
            return None
        if await to_thread.run_sync(self._is_known, asked.cookies):
            return None
        # Pages lie at the top, and all that is anybody's lies below: scans, pictures, what was sent.
        if self._vouched and (path in _TO_PROVIDER or path.count("/") == 1):
            return None
        if "text/html" in asked.headers.get("accept", ""):
            return RedirectResponse(LOGIN, 303)
        return JSONResponse({"reason": "The session has ended: log in again."}, 401)

    def _is_known(self, cookies: Mapping[str, str]) -> bool:
        try:
            user_of(self._site.workspace, cookies)
        except NotAllowedError:
            return False
        return True


class Login:
    """The page where one logs in, by name and password.

    Args:
        site: whose accounts count.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        # Checking a password takes 64 MB and a core for a moment, which is what it is for.
        self._turns = CapacityLimiter(2)

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        return [
            Route(LOGIN, self._show, methods=["GET"]),
            Route(LOGIN, self._log_in, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        return HTMLResponse(_page(_FORM.format(reason="")), headers=_UNKEPT)

    async def _log_in(self, request: Request) -> Response:
        received = bytearray()
        async for chunk in request.stream():
            received += chunk
            if len(received) > _LARGEST:
                return JSONResponse({"reason": "that is no name and password"}, 413)
        try:
            said = dict(parse_qsl(received.decode(), keep_blank_values=True, max_num_fields=4))
            token = await to_thread.run_sync(
                lambda: self._site.workspace.people.log_in(
                    said.get("name", ""), said.get("password", "")
                ),
                limiter=self._turns,
            )
        except ValueError as error:  # what is no text, too
            reason = str(error) if isinstance(error, NotAllowedError) else "that cannot be read"
            words = f"<p class=no role=alert>{html.escape(reason.capitalize())}.</p>"
            return HTMLResponse(_page(_FORM.format(reason=words)), 401, headers=_UNKEPT)
        answer = RedirectResponse("/", 303, headers=_UNKEPT)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=int(SESSION.total_seconds()),
            httponly=True,
            samesite="strict",
            # Browsers take Secure cookies over TLS alone, so that no other way in works
            secure=host_of(request.headers) not in LOCAL,
        )
        return answer


def is_from_here(asked: HTTPConnection) -> bool:
    """Whether no page of another site asks: browsers say whose page it is, where it matters."""
    origin, fetched = asked.headers.get("origin"), asked.headers.get("sec-fetch-site")
    if origin is None:  # a link that was followed, or no browser
        reads = asked.scope["type"] == "http" and asked.scope["method"] in {"GET", "HEAD"}
        return reads or fetched in {None, "none", "same-origin"}
    if origin == "null":  # a page that does not say where it is from, as ours do not in forms
        return fetched == "same-origin"
    return urlsplit(origin).netloc == asked.headers.get("host")


def is_local(asked: HTTPConnection) -> bool:
    """Whether the browser runs on this machine."""
    try:
        return asked.client is not None and ipaddress.ip_address(asked.client.host).is_loopback
    except ValueError:
        return False


def host_of(headers: Headers) -> str:
    """The name that the browser calls this server by."""
    return urlsplit(f"//{headers.get('host', '')}").hostname or ""


_UNKEPT = {"Cache-Control": "no-store"}
_FORM = """{reason}<form method="post" action="/medlib/login">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button></form>"""


def _page(body: str) -> str:
    return _WHOLE.replace("{body}", body)


_WHOLE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>medlib</title>
<meta name="viewport" content="width=device-width"><style>
body { background: #101214; color: #DDE1E6; font: 1.125rem/1.5 "Source Sans", system-ui, sans-serif;
  display: grid; place-content: center; min-height: 90vh; margin: 1rem }
main { width: min(22rem, 90vw) } h1 { font-size: 1.75rem }
label { display: block; margin: 1rem 0 .25rem }
input, button { box-sizing: border-box; width: 100%; font: inherit; padding: .7rem .8rem;
  border-radius: 4px; border: 1px solid #6B747D; background: #1A1D21; color: inherit }
input:focus, button:focus { outline: 3px solid #56B4E9; outline-offset: 1px }
button { margin-top: 1.5rem; background: #56B4E9; color: #101214; border: 0; font-weight: 600 }
.no { border-left: 4px solid #E69F00; padding-left: .75rem }
</style></head><body><main><h1>medlib</h1>{body}</main></body></html>"""
