"""Arguments as they are typed, and what they mean."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medlib.data import Splitter


class Kind(StrEnum):
    """Kinds of scan, as typed."""

    CT = "ct"
    MR = "mr"
    PET = "pet"
    US = "us"
    XR = "xr"


class Format(StrEnum):
    """What to write a prediction as, as typed."""

    NIFTI = "nifti"
    SEG = "seg"
    BOTH = "both"
    MARKUPS = "markups"
    JSON = "json"


def _kinds(text: str) -> str:
    """A kind of scan, or ``T1=mr,FLAIR=mr``."""
    parts = [part.rpartition("=") for part in text.split(",")]
    known, names = [kind.value for kind in Kind], [name for name, _, _ in parts]
    if any(kind not in known for _, _, kind in parts):
        raise typer.BadParameter(f"{text!r}: the kinds of scan are {', '.join(known)}")
    if (len(parts) > 1 and not all(names)) or len(set(names)) < len(names):
        raise typer.BadParameter(f"{text!r}: of several series each has a name, as T1=mr,FLAIR=mr")
    return text


def kind_said(text: str) -> str | dict[str, str]:
    """The kind of scan that was typed, or of each series, as the library takes it."""
    parts = [part.rpartition("=") for part in text.split(",")]
    return {name: kind for name, _, kind in parts} if parts[0][0] else text


Json = Annotated[bool, typer.Option("--json", help="Print a report for programs instead of text.")]
Overwrite = Annotated[bool, typer.Option(help="Replace files that are already there.")]
Scans = Annotated[
    Path,
    typer.Argument(
        help="A folder of scans: DICOM, NIfTI, or pictures of radiographs; or a table (CSV) of scans "
        "and what is known of them; or, for outlines, a data set as nnU-Net or the Decathlon lay "
        "them out."
    ),
]
KindOfScan = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="ct|mr|pet|us|xr",
        callback=_kinds,
        help="What the scans are; of several series each, as T1=mr,FLAIR=mr.",
    ),
]


def writable(path: Path, *, overwrite: bool) -> None:
    """Find out now, not after the training, that the model cannot be written."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file, such as {path / 'my.medlib'}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is already there; give another name, or --overwrite")
    path.parent.mkdir(parents=True, exist_ok=True)


def splitter(text: str, seed: int) -> Splitter:
    """Who is kept back: a share of the patients, or the scans that a file lists."""
    from medlib.data import by_patient, held_out

    try:
        return by_patient(float(text), seed=seed)
    except ValueError:
        if not Path(text).is_file():
            raise ValueError(
                f"--validation takes a number between 0 and 1, or a file that lists scans; "
                f"{text!r} is neither"
            ) from None
    return held_out(_listed(Path(text)))


def _listed(path: Path) -> list[str]:
    """Names in a JSON list, or one a line."""
    try:
        content = path.read_text(encoding="utf-8")
        names = json.loads(content) if path.suffix.lower() == ".json" else None
    except ValueError:
        raise ValueError(f"{path} should hold a list of scan names, as text or JSON") from None
    if names is not None:
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ValueError(f"{path} should hold a list of scan names")
        return names
    return [line.strip() for line in content.splitlines() if line.strip()]
