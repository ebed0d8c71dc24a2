"""The apps: a server on this machine, and a browser that opens them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from medlib.cli.people import USUAL, Address
from medlib.cli.saying import said_plainly, say, tell

_USUAL = 8501
_NEEDED = ("streamlit", "sqlalchemy", "alembic", "argon2")
_NEAR = ("localhost", "127.0.0.1", "::1")
_NO_CARD = (*_NEAR, "0.0.0.0", "::")  # noqa: S104 - names of none in particular
_PATIENCE = 20.0  # seconds that a process has to end by itself
_PAUSE = 2.0  # seconds until one that died is begun anew


@dataclass(frozen=True)
class Listening:
    """Where the server is to be reached, and by whom.

    Args:
        port: left out, a free one.
        is_for_many: people log in; else it is for whoever sits at this machine.
        address: of the network card.
        names: hosts that browsers may call it by.
        certificate: for TLS, with its key.
        behind_proxy: a proxy, which alone can reach it, does TLS.
    """

    port: int | None = None
    is_for_many: bool = False
    address: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    certificate: tuple[Path, Path] | None = None
    behind_proxy: bool = False

    def check(self) -> None:
        """Make sure that no password and no scan crosses a network unencrypted.

        Raises:
            ValueError: if one would, or what was said does not go together.
        """
        is_near = self.address in _NEAR
        if not self.is_for_many and (self.names or self.certificate or not is_near):
            raise ValueError("a server for others needs accounts: say --server")
        if not (is_near or self.certificate or self.behind_proxy):
            raise ValueError(
                f"at {self.address}, passwords and scans would cross the network unencrypted: give "
                "--certificate and --key; or leave --address out and put a proxy that does TLS "
                "before it; or, where that proxy is on another machine, say --behind-proxy"
            )

    @property
    def hosts(self) -> tuple[str, ...]:
        """What browsers may call it by, beside localhost."""
        card = () if self.address in _NO_CARD else (self.address,)
        return (*card, *self.names)

    def options(self) -> list[tuple[str, str]]:
        """Streamlit's settings."""
        said = [("server.address", self.address), ("server.headless", "true")]
        said += [("server.corsAllowedOrigins", f"https://{name}") for name in self.hosts]
        if self.certificate:
            certificate, key = (str(path.expanduser().resolve()) for path in self.certificate)
            said += [("server.sslCertFile", certificate), ("server.sslKeyFile", key)]
        return said


def app(
    workspace: Annotated[
        Path, typer.Argument(help="The workspace's folder; made if it is not there.")
    ] = USUAL,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Left out: 8501, or one that is free.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    server: Annotated[
        bool, typer.Option("--server", help="For several people, who log in. Opens no browser.")
    ] = False,
    address: Annotated[str, typer.Option(help="Of the network card to listen at.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(help="What browsers call the server, such as scans.example.org; repeatable."),
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="For TLS: a PEM file.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key: a PEM file.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="TLS is done by a proxy on another machine.")
    ] = False,
    database: Address = "",
) -> None:
    """Label, train and review in a browser, on this machine; press Ctrl-C to end."""
    with said_plainly(as_json=False), _ended_by_signal():
        _check_installed()
        if (certificate is None) != (key is None):
            raise ValueError("--certificate and --key go together")
        listening = Listening(
            port,
            is_for_many=server,
            address=address,
            names=tuple(name or ()),
            certificate=(certificate, key) if certificate and key else None,
            behind_proxy=behind_proxy,
        )
        listening.check()
        serve(
            workspace.expanduser().resolve(), listening, browser=browser and not server,
            database=database,
        )  # fmt: skip


def serve(workspace: Path, listening: Listening, *, browser: bool, database: str = "") -> None:
    """Run the server and what works for it, until somebody ends it.

    Raises:
        ValueError: when the port is taken, nobody could log in, or the server does not start.
    """
    from medlib.resources import folder
    from medlib.workspace import Role, Workspace

    is_new = not (workspace / "workspace.json").exists()
    with Workspace(workspace, database) as opened:  # what is wrong with it is said here
        opened.sweep()
        managers = [u for u in opened.people.list() if u.active and u.role == Role.ADMINISTRATOR]
    if listening.is_for_many and not managers:
        raise ValueError(
            "nobody could log in yet. Make the first account: "
            f"medlib people add NAME --role administrator --workspace {workspace}"
        )
    port = _free_port() if listening.port is None else _checked_port(listening.port)
    options = [*listening.options(), ("server.port", str(port))]
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(folder("apps") / "app.py")),
        *(word for name, value in options for word in (f"--{name}", value)),
        *("--", str(workspace), *(w for name in listening.hosts for w in ("--name", name))),
    ]
    near = "localhost" if listening.address in _NO_CARD else listening.address
    address = f"{'https' if listening.certificate else 'http'}://{near}:{port}"
    environment = os.environ | ({"MEDLIB_DATABASE": database} if database else {})
    worker = [sys.executable, "-m", "medlib.work", str(workspace), "--with-parent"]
    with _running(command, environment) as server, _kept_running(worker, environment):
        _wait_for(near, port, server)
        say(f"medlib: {address} ({'new ' if is_new else ''}workspace {workspace}); Ctrl-C ends it")
        if browser:
            webbrowser.open(address)
        while server.poll() is None:
            time.sleep(0.5)
    raise ValueError("the server has ended by itself; what it said is above")


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of our own, ended when we end."""
    # In a session of its own, Ctrl-C does not reach it: we end it, when its turn comes.
    with subprocess.Popen(  # noqa: S603 - our own
        command,
        env=environment,
        stdin=subprocess.PIPE,  # closed when we die, however that comes
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
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
def _kept_running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    """A process of our own that is begun anew when it dies."""
    over = threading.Event()

    def keep() -> None:
        while not over.is_set():
            with _running(command, environment) as process:
                while process.poll() is None and not over.wait(0.5):
                    pass
            over.wait(_PAUSE)  # what dies at once must not take all of a core

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Whoever ends us, by Ctrl-C or by SIGTERM, ends what we have begun too."""

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {name: signal.signal(name, end) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        tell("medlib: ended")
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


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


def _wait_for(host: str, port: int, server: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there."""
    for _ in range(1200):
        if server.poll() is not None:
            raise ValueError("the server did not start; what it said is above")
        try:
            with socket.create_connection((host, port), timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise ValueError("the server does not answer: is the machine very busy? Try again.")
