"""The server of the apps: Streamlit's pages, and routes of their own for scans and outlines.

``medlib app`` runs it; so does ``streamlit run apps/app.py -- WORKSPACE``.
"""

from __future__ import annotations

import streamlit as st
from serving.entrance import Entrance, Login
from serving.headers import SecurityHeaders
from serving.openid import is_configured
from serving.site import LOCAL, site
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

_site = site()
app = st.App(
    "main.py",
    routes=[*_site.routes(), *Login(_site).routes()] if _site else [],
    middleware=[
        # A page from elsewhere must not reach this server by a name of its own (DNS rebinding).
        Middleware(TrustedHostMiddleware, allowed_hosts=[*(_site.names if _site else LOCAL)]),
        Middleware(SecurityHeaders),
        *([Middleware(Entrance, site=_site, vouched=is_configured())] if _site else []),
    ],
)
