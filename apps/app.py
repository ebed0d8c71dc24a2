"""The server of the apps: Streamlit's pages, and routes of their own for scans and outlines.

Run ``streamlit run apps/app.py -- WORKSPACE``. It serves the machine that it runs on, and
nobody else.
"""

from __future__ import annotations

import streamlit as st
from serving.headers import SecurityHeaders
from serving.site import site
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

_site = site()
app = st.App(
    "main.py",
    routes=_site.routes() if _site else [],
    middleware=[
        # A page from elsewhere must not reach this server by a name of its own (DNS rebinding).
        Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"]),
        Middleware(SecurityHeaders),
    ],
)
