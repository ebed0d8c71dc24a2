"""Exports that wait to be downloaded: zip archives of the workspace, each for who has made it.

- ``GET /medlib/exports/{name}/{called}?leave=LINK``
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from medlib.io.files import safe_name
from medlib.workspace import (
    Exported,
    NotAllowedError,
    NotThereError,
    Wish,
    Workspace,
    WorkspaceError,
)
from medlib.workspace.export import write_zip
from serving.door import UNCACHED
from serving.errands import Report, StoppedError
from serving.session import owner

_DAY = 86400.0
_NAME = re.compile(r"[0-9a-f]{16}(\.named)?")
_GONE = "This link has expired, or is not for you. Open the Export page again."


@dataclass(frozen=True)
class Ready:
    """An export that can be downloaded.

    Args:
        name: in its address; chosen by chance.
        called: the file that a browser makes of it.
        size: bytes.
        exported: what is in it.
    """

    name: str
    called: str
    size: int
    exported: Exported


class Exports:
    """The exports of a workspace, in a folder of what can be made again.

    Args:
        workspace: an open one.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.derived / "exports"
        self.keys = workspace.folder / "export-keys"
        """Where it is kept what made-up names stand for: in no export."""

    def make(self, wish: Wish, person: str, report: Report) -> Ready:
        """Write an export and pack it; of one that is stopped, nothing is left.

        Raises:
            WorkspaceError: when it is stopped, or there is nothing to export.
        """
        self._folder.mkdir(exist_ok=True)
        self._clear()
        label_set = self._workspace.label_sets.get(wish.label_set).name
        called = f"{safe_name(label_set)}-{datetime.now(UTC):%Y-%m-%d-%H%M}"
        name = secrets.token_hex(8) + (".named" if "seg" in wish.forms else "")
        there = self._folder / f"{name}.coming"
        try:
            exported = self._workspace.export(wish, there / called, by=person, progress=report)
            path = self._path(name)
            write_zip(there / called, path, lambda done, of: report(done, of, "Packing"))
        except StoppedError:
            raise WorkspaceError("Stopped. Nothing was exported.") from None
        finally:
            shutil.rmtree(there, ignore_errors=True)
        return Ready(name, f"{called}.zip", path.stat().st_size, exported)

    def link(self, ready: Ready, person: str) -> str:
        """The address of an export, for this person, for an hour or two."""
        leave = self._workspace.links.sign(f"export {ready.name} {ready.called}", person)
        return f"/medlib/exports/{ready.name}/{ready.called}?leave={leave}"

    def is_there(self, ready: Ready) -> bool:
        """Whether it can still be downloaded."""
        return self._path(ready.name).is_file()

    def remove(self, ready: Ready) -> None:
        """Once it is no longer needed."""
        self._path(ready.name).unlink(missing_ok=True)

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        return [Route("/medlib/exports/{name}/{called}", self._get, methods=["GET"])]

    async def _get(self, request: Request) -> Response:
        try:
            path = await to_thread.run_sync(self._admitted, request)
        except (NotAllowedError, NotThereError):
            return PlainTextResponse(_GONE, 401, headers=UNCACHED)
        called = str(request.path_params["called"])
        return FileResponse(path, media_type="application/zip", filename=called, headers=UNCACHED)

    def _admitted(self, request: Request) -> Path:
        """The file that is asked for.

        Raises:
            NotAllowedError: for a link of somebody else's, and of someone who may no longer.
            NotThereError: when it was removed.
        """
        name, called = (str(request.path_params[part]) for part in ("name", "called"))
        needed = ("export", "see names") if name.endswith(".named") else ("export",)
        link = request.query_params.get("leave", "")
        person = owner(self._workspace, request.cookies, link, f"export {name} {called}", *needed)
        path = self._path(name)
        if not path.is_file():
            raise NotThereError("this export was removed")
        if "range" not in request.headers:
            self._workspace.events.note("export downloaded", f"export {name}", by=person)
        return path

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise NotThereError("there is no such export")
        return self._folder / f"{name}.zip"

    def _clear(self) -> None:
        """Remove what has lain for a day, and what a killed server has left."""
        before = time.time() - _DAY
        for path in self._folder.iterdir():
            if path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
