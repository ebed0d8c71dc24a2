"""Finding in new scans what a model knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medlib.cli.arguments import Format, Json, Overwrite
from medlib.cli.saying import REFUSED, said_plainly, say, tell


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.medlib", help="A trained model.")],
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A folder, file or .zip of DICOM or NIfTI.")
    ],
    out: Annotated[Path, typer.Option(help="A folder for the results, named after their input.")],
    output_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Of structures: NIfTI label maps (usual), DICOM SEG, or both; of boxes: markups "
            "for 3D Slicer (usual), or JSON.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find in every scan of INPUT what MODEL knows: outlines, landmarks, answers, numbers.

    FOLDER/predictions.csv has a row a scan. Called again, it does what is not done yet.
    """
    with said_plainly(as_json):
        from medlib.batch import predict_all
        from medlib.package import load

        both = output_format is Format.BOTH
        chosen = ("nifti", "seg") if both else (output_format.value,) if output_format else ()
        report = predict_all(
            load(model),
            source,
            out,
            formats=chosen,
            overwrite=overwrite,
            progress=None if as_json else tell,
        )
        say(report.to_dict() if as_json else str(report))
    if report.refusals:
        raise typer.Exit(REFUSED)
