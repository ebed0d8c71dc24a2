"""Looking at scans: what there is, and all of it as NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medlib.cli.arguments import Json, Overwrite
from medlib.cli.saying import REFUSED, said_plainly, say


def inspect(
    folder: Annotated[Path, typer.Argument(help="A folder, file or .zip of DICOM or NIfTI.")],
    as_json: Json = False,
) -> None:
    """Say in plain words what is in FOLDER: patients, studies, series, and what is not usable."""
    from medlib.io import describe, survey

    with said_plainly(as_json):
        found = survey(folder)
        _nothing_there(folder, found)
        say(found.to_dict() if as_json else describe(found))
    if found.refusals:
        raise typer.Exit(REFUSED)


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A folder, file or .zip of DICOM or NIfTI.")
    ],
    out_folder: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write every scan found in INPUT as one .nii.gz, and say what was refused and why."""
    from medlib.io import convert as convert_all

    with said_plainly(as_json):
        report = convert_all(source, out_folder, overwrite=overwrite)
        say(report.to_dict() if as_json else str(report))
    if report.refusals:
        raise typer.Exit(REFUSED)


def _nothing_there(folder: Path, found: Any) -> None:
    if not (found.stacks or found.segmentations or found.refusals):
        raise ValueError(f"there are no DICOM or NIfTI scans in {folder}")
