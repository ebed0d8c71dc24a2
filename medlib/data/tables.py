"""Cases from a table: a row a scan."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medlib.data.cases import Answer, Pairing
from medlib.data.label_table import find_labels
from medlib.data.sources import Found, Row, from_msd, from_nnunet
from medlib.io.files import safe_name
from medlib.io.nifti import stem
from medlib.io.picture import is_picture
from medlib.types import Labels

_FILES = ("points", "boxes")
_OF_A_CASE = (
    *("name", "scan", "label", *_FILES, "patient", "study", "site", "split", "annotated"),
)
_MISSING = {"", "na", "n/a", "nan", "none", "null", "-", "?", "unknown"}
_SPLITS = {"train": "train", "training": "train", "valid": "valid", "validation": "valid"} | {
    "val": "valid",
    "test": "test",
    "": "",
}
_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)?(?:\.\d+)?(?:[eE][-+]?\d+)?")


def from_table(path: str | Path, *, labels: Labels | None = None) -> Pairing:
    r"""The cases of a table: a CSV file with a heading, separated by commas, semicolons or tabs.

    =====================  ======================================================================
    ``scan``               a file, or a folder of DICOM, from the table's own folder; or, of
                           several co-registered series, ``scan:T1``, ``scan:FLAIR``, …
    ``label``              a NIfTI label map or DICOM SEG
    ``mask:earlier``, …    further masks by name, to be seen beside the scan
    ``points``             a markups file of 3D Slicer's
    ``boxes``              boxes around findings: a file, folder or table of them (see
                           :func:`medlib.data.pair_boxes`)
    ``name``               unique; left out, the scan's own path
    ``patient``, ``study`` left out, what DICOM says or a NIfTI file's name seems to say (see
                           :func:`medlib.data.patient_of`). They are kept as digests
    ``site``               where it was taken, or any other group
    ``split``              ``train``, ``valid`` or ``test``
    ``annotated``          which structures were looked for, ``liver;spleen``; empty for all
    any other              an answer, by the column's name
    =====================  ======================================================================

    A column of answers holds numbers if all of its cells are such, truths if all are yes, no,
    true or false, else words; ``007`` is a word. Cells that are empty or NA, n/a, none, unknown or
    ``?`` say nothing, which is not the same as no.

    Args:
        path: of the table.
        labels: the label table; left out, what lies beside the label files says
            (:func:`medlib.data.pair` does likewise).

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it has no scans, a column, name or row twice, a split or a structure that
            is none, a row of another length, or no case that can be used, naming the row.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from medlib import io
        >>> from medlib.space import Grid
        >>> from medlib.types import MRVolume
        >>> folder = Path(tempfile.mkdtemp())
        >>> scan = MRVolume(torch.zeros(1, 2, 3, 4), Grid.from_axes((2, 3, 4)))
        >>> io.write_nifti(scan, folder / "a.nii.gz")
        >>> _ = (folder / "cases.csv").write_text("scan,age,smokes\na.nii.gz,61,no\n")
        >>> from_table(folder / "cases.csv").cases[0].answers
        {'age': 61.0, 'smokes': False}
    """
    path = Path(path).resolve()
    rows = _rows(path)
    columns = list(rows[0])
    series = {c.partition(":")[2]: c for c in columns if c.partition(":")[0] == "scan"}
    if not series or ("" in series and len(series) > 1):
        raise ValueError(f"{path.name} needs a column 'scan', or several such as 'scan:T1'")
    masks = {c.partition(":")[2]: c for c in columns if c.partition(":")[0] == "mask"}
    asked = [c for c in columns if c not in (*_OF_A_CASE, *series.values(), *masks.values())]
    kinds = {c: _reader([row[c] for row in rows]) for c in asked}
    files = [path.parent / row["label"] for row in rows if _said(row, "label")]
    table = labels or (find_labels(_shared(files), files) if files else Labels(()))
    found, parts = Found(table), {side: list[Row]() for side in ("", "train", "valid", "test")}
    for number, row in enumerate(rows, start=2):  # as a spreadsheet counts them
        where = f"{path.name}, row {number}"
        more: dict[str, Any] = {"site": _said(row, "site")}
        more["answers"] = {c: kinds[c](row[c]) for c in asked if row[c].lower() not in _MISSING}
        more |= {c: _digest(_said(row, c)) for c in ("patient", "study") if _said(row, c)}
        more |= {c: path.parent / _said(row, c) for c in _FILES if _said(row, c)}
        more["masks"] = {n: path.parent / row[c] for n, c in masks.items() if _said(row, c)}
        beside = [*(more[c] for c in _FILES if c in more), *more["masks"].values()]
        if names := _said(row, "annotated"):
            more["annotated"] = _annotated(names, table, where)
        split = _SPLITS.get(_said(row, "split").lower())
        if split is None:
            raise ValueError(f"{where}: the split {row['split']!r} is none of train, valid, test")
        more["split"] = split.replace("test", "")
        images = {s: path.parent / row[c] for s, c in series.items()}
        label = path.parent / row["label"] if _said(row, "label") else None
        name = _said(row, "name") or _name(next(row[c] for c in series.values()))
        if "patient" in columns and "patient" not in more:
            found.set_aside.append((name, f"{where} names no patient, as others do"))
        elif empty := [c for c in series.values() if not _said(row, c)]:
            found.set_aside.append((name, f"{where} has nothing under {', '.join(empty)}"))
        elif lost := [file.name for file in beside if not file.exists()]:
            found.set_aside.append((name, f"{where}: there is no file {', '.join(lost)}"))
        else:
            parts[split].append((name, images, label, more))
    _each_once([name for part in parts.values() for name, *_ in part], path)
    cases = found.cases([*parts[""], *parts["train"], *parts["valid"]])
    return found.pairing(cases, found.cases(parts["test"]), path)


def labelled(source: str | Path) -> Pairing:
    """The cases of a source that says itself where scans and labels are.

    Args:
        source: a data set in nnU-Net's or the Decathlon's layout, or a table.

    Raises:
        FileNotFoundError: when there is nothing at ``source``.
        ValueError: when it is none of these, and as the readers of each do.
    """
    path = Path(source)
    if path.is_file():
        return from_table(path)
    if not path.is_dir():
        raise FileNotFoundError(f"there is nothing at {path}")
    if not (path / "dataset.json").is_file():
        raise ValueError(
            f"{path} has no dataset.json, as nnU-Net's and the Decathlon's data sets have; say "
            "where the labels are, or what else is to be learned"
        )
    numbered = any((path / "imagesTr").glob("*_0000.*"))  # nnU-Net's channels
    return from_nnunet(path) if numbered else from_msd(path)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no table {path}: a CSV file with a row a scan says where scans are and what "
            "is known of them"
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        heading = file.readline()
        file.seek(0)
        separator = max(",;\t", key=heading.count)
        lines = [[cell.strip() for cell in line] for line in csv.reader(file, delimiter=separator)]
    columns, *rows = [line for line in lines if any(line)] or [[]]
    if twice := [column for column, count in Counter(columns).items() if count > 1]:
        raise ValueError(f"{path.name} has the column {twice[0]!r} twice")
    if not rows:
        raise ValueError(f"{path.name} has no rows")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise ValueError(
                f"{path.name}, row {number} has {len(row)} cells, and there are {len(columns)} "
                "columns; put cells that hold a separator in quotes"
            )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _reader(cells: Sequence[str]) -> Callable[[str], Answer]:
    """What a column's cells are read as: the first of number, truth and word that fits all."""
    said = [cell for cell in cells if cell.lower() not in _MISSING]
    if said and all(_NUMBER.fullmatch(cell) and cell[-1].isdigit() for cell in said):
        return float
    if said and all(cell.lower() in _TRUTHS for cell in said):
        return lambda cell: _TRUTHS[cell.lower()]
    return str


def _said(row: Mapping[str, str], column: str) -> str:
    cell = row.get(column, "")
    return "" if cell.lower() in _MISSING else cell


def _annotated(names: str, table: Labels, where: str) -> tuple[str, ...]:
    said = tuple(name.strip() for name in names.split(";") if name.strip())
    if strange := [name for name in said if name not in table]:
        raise ValueError(
            f"{where}: {', '.join(strange)} cannot have been annotated, since the label table has "
            f"{', '.join(table.names) or 'no names'} only"
        )
    return said


def _each_once(names: Sequence[str], path: Path) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{path.name} has two rows for {twice[0]!r}; give each a name of its own")


def _shared(files: Sequence[Path]) -> Path:
    """The folder of all label files."""
    first = files[0].parent
    return next(
        folder for folder in (first, *first.parents) if all(f.is_relative_to(folder) for f in files)
    )


def _name(scan: str) -> str:
    path = Path(stem(scan))
    path = path.with_suffix("") if is_picture(path.name) else path
    return safe_name("_".join(path.parts))


def _digest(patient: str) -> str:
    """A short key: identifiers of patients go no further than this."""
    return hashlib.sha256(patient.encode()).hexdigest()[:12]
