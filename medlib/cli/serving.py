"""The apps: a server on this machine, and a browser that opens them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from medlib.cli.saying import said_plainly, say, tell

_USUAL = 8501
_NEEDED = ("streamlit", "sqlalchemy", "alembic", "argon2")
_PATIENCE = 20.0  # seconds that a process has to end by itself


def app(
    workspace: Annotated[
        Path, typer.Argument(help="The workspace's folder; made if it is not there.")
    ] = Path("medlib-workspace"),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Left out: 8501, or one that is free.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Label, train and review in a browser, on this machine; press Ctrl-C to end."""
    with said_plainly(as_json=False), _ended_by_signal():
        _check_installed()
        serve(workspace.expanduser().resolve(), port=port, browser=browser)


def serve(workspace: Path, *, port: int | None, browser: bool) -> None:
    """Run the server and what works for it, until somebody ends it.

    Raises:
        ValueError: when the port is taken, or the server does not start.
    """
    from medlib.resources import folder
    from medlib.workspace import Workspace

    is_new = not (workspace / "workspace.json").exists()
    with Workspace(workspace) as opened:  # what is wrong with it is said here, not in the server
        opened.sweep()
    chosen = _free_port() if port is None else _checked_port(port)
    address = f"http://localhost:{chosen}"
    options = {"server.port": chosen, "server.headless": "true"}
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(folder("apps") / "app.py")),
        *(word for name, value in options.items() for word in (f"--{name}", str(value))),
        *("--", str(workspace)),
    ]
    with _running(command, quiet=True) as server:
        _wait_for(f"{address}/_stcore/health", server)
        say(f"medlib: {address} ({'new ' if is_new else ''}workspace {workspace}); Ctrl-C ends it")
        if browser:
            webbrowser.open(address)
        while server.poll() is None:
            time.sleep(0.5)
    raise ValueError("the server has ended by itself; what it said is above")


@contextmanager
def _running(command: Sequence[str], *, quiet: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A process of our own, ended when we end."""
    # In a session of its own, Ctrl-C does not reach it: we end it, when its turn comes.
    output = subprocess.DEVNULL if quiet else None
    with subprocess.Popen(command, stdout=output, start_new_session=True) as process:  # noqa: S603 - our own
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Whoever ends us by SIGTERM ends what we have begun too."""

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        tell("medlib: ended")
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_installed() -> None:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ValueError(
            f"the apps need more than is installed ({', '.join(missing)}): "
            "pip install 'medlib[apps]'"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _checked_port(port: int) -> int:
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"port {port} cannot be had ({error.strerror}): give another"
            ) from None
    return port


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if server.poll() is not None:
            raise ValueError("the server did not start; what it said is above")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - ours, on this machine
                return
        except OSError:
            time.sleep(0.1)
    raise ValueError("the server does not answer: is the machine very busy? Try again.")
