"""What is in a workspace, for others."""

from __future__ import annotations

import getpass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medlib.cli.arguments import Json
from medlib.cli.people import Address, opened
from medlib.cli.saying import REFUSED, count, said_plainly, say, tell

if TYPE_CHECKING:
    from medlib.workspace import Exported, Workspace

app = typer.Typer(help="What is in a workspace.", no_args_is_help=True)


class FormSaid(StrEnum):
    """Forms of an export, as typed."""

    SEG = "seg"
    NIFTI = "nifti"
    CSV = "csv"
    REPORT = "report"
    NNUNET = "nnunet"


@app.command("export")
def export(
    workspace: Annotated[Path, typer.Argument(help="The workspace's folder.")],
    to: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    form: Annotated[
        list[FormSaid],
        typer.Option("--format", "-f", help="Repeatable; each gets a folder of its own in OUT."),
    ],
    label_set: Annotated[str, typer.Option(help="Needed where there are several.")] = "",
    reviewed_only: Annotated[
        bool,
        typer.Option("--reviewed-only/--all", help="What reviewers stand behind, or all labels."),
    ] = True,
    with_scans: Annotated[
        bool, typer.Option("--with-scans", help="With NIfTI outlines, the scans too.")
    ] = False,
    pseudonyms: Annotated[
        bool,
        typer.Option("--pseudonyms", help="Made-up names; whose they are is in a file beside OUT."),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(help="That file; one of an earlier export gives the same names again."),
    ] = None,
    database: Address = "",
    as_json: Json = False,
) -> None:
    """Write outlines and what was said of scans: DICOM SEG, NIfTI, tables, a report, nnU-Net."""
    with said_plainly(as_json), opened(workspace, database) as it:
        from medlib.workspace import Wish

        if key is not None and not pseudonyms:
            raise ValueError("--key is for made-up names: say --pseudonyms too")
        out = to.resolve()
        names = (key or out.with_name(f"{out.name}.key.json")) if pseudonyms else None
        wish = Wish(
            label_set=_label_set(it, label_set),
            forms=tuple(dict.fromkeys(one.value for one in form)),
            reviewed_only=reviewed_only,
            with_scans=with_scans,
            key=names,
        )
        done = it.export(wish, out, by=getpass.getuser(), progress=count)
        _tell_left(done)
        if names is not None:
            tell(f"whose the names are is in {names}: keep it apart from the export")
        say(_report(done) if as_json else f"{len(done.files)} files in {done.folder}")
    if done.left_out:
        raise typer.Exit(REFUSED)


def _label_set(workspace: Workspace, name: str) -> str:
    """The label set that is meant."""
    names = [row.name for row in workspace.label_sets.list()]
    if name or len(names) == 1:
        return name or names[0]
    if not names:
        raise ValueError("nothing is labelled there yet: there is no label set")
    raise ValueError(f"say which label set, with --label-set: {', '.join(names)}")


def _tell_left(done: Exported) -> None:
    for name, reason in done.left_out:
        tell(f"left out: {name}: {reason}")
    if done.unreviewed:
        number = len(done.unreviewed)
        scans = "1 scan waits" if number == 1 else f"{number} scans wait"
        tell(f"{scans} for a reviewer and {'is' if number == 1 else 'are'} not in it; --all "
             "exports what nobody has reviewed too")  # fmt: skip


def _report(done: Exported) -> dict[str, object]:
    return {
        "folder": str(done.folder),
        "files": [str(file.relative_to(done.folder)) for file in done.files],
        "left out": [{"scan": name, "reason": reason} for name, reason in done.left_out],
        "unreviewed": [*done.unreviewed],
    }
