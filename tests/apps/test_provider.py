"""Logging in by an OpenID provider, in a real browser: a session that was ended does not come back.

The provider itself is not asked: the browser holds the cookie that Streamlit would have set after it.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from browsers import CHROMIUM
from oracles import oracle
from small_scans import add_scan

from medlib.resources import folder
from medlib.workspace import Role, Workspace

playwright = oracle("playwright.sync_api")
oracle("streamlit")
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value  # noqa: E402

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium"),
]
SECRET = "of a test that signs what a provider would have said"
ISSUER = "https://id.example.org"
PASSWORD = "seven calm herons"


@pytest.fixture
def served(tmp_path):
    """A server that knows a provider, and its workspace: one scan, an administrator, and rob."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    origin = f"http://localhost:{port}"
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "{origin}/oauth2callback"\ncookie_secret = "{SECRET}"\n'
        f'client_id = "medlib"\nclient_secret = "x"\nserver_metadata_url = "{ISSUER}/about"\n'
    )
    apps = folder("apps") / "app.py"
    with Workspace(tmp_path / "workspace") as workspace:
        add_scan(workspace, tmp_path)
        workspace.people.add("ada", Role.ADMINISTRATOR, by="ada", password=PASSWORD)
        workspace.people.add("rob", Role.READER, by="ada", subject=f"{ISSUER} 4711")
        command = [sys.executable, "-m", "streamlit", "run", str(apps)]
        command += ["--server.port", str(port), "--server.headless", "true"]
        command += ["--", str(workspace.folder)]
        with subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}
        ) as server:
            for _ in range(900):
                assert server.poll() is None
                try:
                    urllib.request.urlopen(f"{origin}/_stcore/health", timeout=1)
                    break
                except OSError:
                    time.sleep(0.1)
            yield origin, workspace
            server.kill()


def said(origin, issued):
    """The cookie that Streamlit sets when the provider has vouched for rob."""
    claims = {"iss": ISSUER, "sub": "4711", "iat": issued, "origin": origin}
    whole = json.dumps(claims | {"is_logged_in": True, "provider": "default"})
    value = create_signed_value(SECRET, "_streamlit_user", whole).decode()
    return {"name": "_streamlit_user", "value": value, "url": origin, "httpOnly": True}


def test_who_was_vouched_for_gets_in_until_the_session_ends(served):
    origin, workspace = served
    now = int(time.time()) - 60
    with playwright.sync_playwright() as it:
        browser = it.chromium.launch(
            executable_path=CHROMIUM, args=["--headless=new", "--no-sandbox"]
        )
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(240_000)  # on a machine that is busy with other things
        log_in = page.get_by_role("button", name="Log in", exact=True)
        page.goto(origin)
        log_in.wait_for()
        assert page.locator(".scan").count() == 0, "nobody has vouched"

        context.add_cookies([said(origin, now)])
        page.goto(origin)
        page.locator(".scan").wait_for()
        page.wait_for_function("() => document.querySelector('.scan img')?.naturalWidth > 50")
        link = page.locator(".scan img").get_attribute("src")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{origin}{link}", timeout=30)
        page.reload()
        page.locator(".scan").wait_for()
        logins = [event for event in workspace.events.newest() if event.what == "logged in"]
        assert len(logins) == 1, "loading the page again goes on with the session"

        workspace.people.change("rob", by="ada", role=Role.READER)
        assert context.request.get(f"{origin}{link}").status == 401
        page.reload()
        page.get_by_text("the session has ended").wait_for()
        log_in.wait_for()
        assert page.locator(".scan").count() == 0

        context.add_cookies([said(origin, now + 10)])
        page.reload()
        page.locator(".scan").wait_for()
        assert context.request.get(f"{origin}{link}").status == 200
        page.goto(f"{origin}/people")
        page.get_by_role("button", name="Log out").click()
        log_in.wait_for()
        assert "_streamlit_user" not in {cookie["name"] for cookie in context.cookies()}
        context.add_cookies([said(origin, now + 10)])  # whoever had taken a copy
        page.goto(origin)
        page.get_by_text("the session has ended").wait_for()
        browser.close()
