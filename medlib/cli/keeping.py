"""What happened in a workspace, whether it is whole, and a copy of it in a safe place."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from medlib.cli.arguments import Json
from medlib.cli.people import Address, opened
from medlib.cli.saying import said_plainly, say, tell

Folder = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="The workspace's folder.")]


def log(
    workspace: Folder,
    by: Annotated[str, typer.Option(help="Only what this person or program did.")] = "",
    scan: Annotated[str, typer.Option(help="Only of this scan: its name or its number.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many lines at most.")] = 50,
    database: Address = "",
    as_json: Json = False,
) -> None:
    """Say who did what when, the newest first."""
    with said_plainly(as_json), opened(workspace, database) as it:
        names = {entry.scan.id: entry.scan.name for entry in it.scans.list()}
        subject = f"scan {_number(names, scan)}" if scan else None
        events = it.events.newest(subject, by=by or None, limit=limit)
        if as_json:
            said = [event.said() | {"details": json.loads(event.details)} for event in events]
            say({"events": said})
            return
        called = {f"scan {number}": name for number, name in names.items()}
        for event in events:
            of = called.get(event.subject)
            what = f"{event.subject} ({of})" if of else event.subject
            say(f"{event.made:%Y-%m-%d %H:%M:%S} UTC  {event.who}: {event.what}, {what}")
        if not events:
            say("nothing of that is in the log")


def verify(workspace: Folder, database: Address = "", as_json: Json = False) -> None:
    """Find whatever was changed, removed or lost: of the log, of labels, of files."""
    with said_plainly(as_json), opened(workspace, database) as it:
        faults, head = it.verify(), it.events.head()
        if as_json:
            say({"faults": [{"where": f.where, "reason": f.reason} for f in faults], "head": head})
        else:
            for fault in faults:
                say(str(fault))
            if not faults:
                say("everything is as it was written")
            tell(
                f"the last event is {head}: note it elsewhere, and nobody can make the log anew "
                "without being found out"
            )
    if faults:
        raise typer.Exit(1)


def backup(
    workspace: Folder,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, such as monday.zip.")],
    database: Address = "",
    as_json: Json = False,
) -> None:
    """Write everything to one file. It holds patients' scans: keep it as safe as those."""
    with said_plainly(as_json), opened(workspace, database) as it:
        if to.exists():
            raise FileExistsError(f"{to} is already there; give another name")
        to.parent.mkdir(parents=True, exist_ok=True)
        size = it.backup(to, by=getpass.getuser()).stat().st_size
        outside = sum(not it.scans.is_copied(entry.scan.id) for entry in it.scans.list())
        if outside:
            scans = "1 scan was" if outside == 1 else f"{outside} scans were"
            tell(f"{scans} not copied into the workspace, and not into the backup")
        report: dict[str, Any] = {"file": str(to), "bytes": size, "scans outside": outside}
        say(report if as_json else f"{to}: {size / 1e6:.1f} MB")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="That a backup wrote.")],
    workspace: Annotated[Path, typer.Argument(metavar="WORKSPACE", help="A new folder.")],
    database: Address = "",
    as_json: Json = False,
) -> None:
    """Make a workspace of a backup again, and say whether it is whole."""
    with said_plainly(as_json):
        if not file.is_file():
            raise FileNotFoundError(f"there is no backup at {file}")
        from medlib.workspace import Workspace

        with Workspace.restore(file, workspace, database) as it:
            faults = it.verify()
            it.events.note("restored", "workspace", by=getpass.getuser())
            scans = len(it.scans.list())
            if as_json:
                told = [{"where": fault.where, "reason": fault.reason} for fault in faults]
                say({"workspace": str(it.folder), "scans": scans, "faults": told})
            else:
                for fault in faults:
                    tell(str(fault))
                say(f"{it.folder}: {scans} scan{'' if scans == 1 else 's'}")
    if faults:
        raise typer.Exit(1)


def _number(names: dict[int, str], said: str) -> int:
    """The number of the scan that is meant."""
    for number, name in names.items():
        if said in (name, str(number)):
            return number
    raise ValueError(f"there is no scan {said!r} in the workspace")
