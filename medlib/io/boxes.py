"""Boxes around findings, as files have them: 3D Slicer's regions of interest, tables, our own."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from medlib.io.files import UnreadableError
from medlib.io.markups import ENDING, to_lps
from medlib.space.grid import FloatArray
from medlib.types import Boxes, Labels

UNNAMED = "finding"
"""What a box is called of which nobody says what is in it."""

_CORNERS = np.indices((2, 2, 2)).reshape(3, -1).T - 0.5
_PLACE = ("coordX", "coordY", "coordZ")
_WHOSE = "seriesuid"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError)

_Row = tuple[str, FloatArray, float | None]  # name, corners, score


def read_boxes(path: str | Path) -> Boxes:
    """The boxes in a file, each with the label that it is named after.

    - ``.mrk.json``: the regions of interest of 3D Slicer's. Slicer numbers those of one name
      (``nodule``, ``nodule_1``): the number is no part of the name. It writes one to a file, so a
      folder of such files is read as one, and each file's own name counts where the markup itself
      has none. A score that :func:`medlib.save` wrote is read back.
    - ``.json``: what :func:`medlib.save` wrote.

    A file without boxes says that somebody looked and found nothing; an empty folder says nothing.

    Raises:
        UnreadableError: when a file is damaged or of another kind, or does not say whether it is
            in LPS or RAS; and for an empty folder.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.name.lower().endswith(ENDING))
        if not files:
            raise UnreadableError(
                f"{path.name} holds no {ENDING}, so it is not known whether anything was found; "
                'where nothing was, put a file there that says so: {"markups": []}'
            )
        return _together(list(chain.from_iterable(_of_slicer(file, file) for file in files)))
    if path.name.lower().endswith(ENDING):
        return _together(list(_of_slicer(path, None)))
    if path.suffix.lower() == ".json":
        return _ours(path)
    raise UnreadableError(f"{path.name} is neither {ENDING} nor .json")


def read_box_table(path: str | Path) -> dict[str, Boxes]:
    """The boxes in a table of many scans, by scan, as LUNA16 has it (Setio et al. 2017).

    ================================  ==============================================================
    ``seriesuid``                     of which scan: its DICOM series, or its name
    ``coordX``, ``coordY``,           the middle, in the frame that ITK reads scans in: LPS
    ``coordZ``                        millimetres
    ``diameter_mm``                   length of the box along each of the patient's axes; or
    ``sizeX``, ``sizeY``, ``sizeZ``   of each by itself
    ``label``                         what is in it; left out, a finding
    ================================  ==============================================================

    A row with a scan and nothing else says that somebody looked at it and found nothing. A scan
    without a row is one that nobody looked at.

    Raises:
        UnreadableError: for a table without these columns, or a row that says half of it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "annotations.csv"
        >>> heading = "seriesuid,coordX,coordY,coordZ,diameter_mm"
        >>> _ = path.write_text(heading + chr(10) + "a,1,2,3,4" + chr(10) + "b,,,,")
        >>> {scan: len(boxes) for scan, boxes in read_box_table(path).items()}
        {'a': 1, 'b': 0}
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            sizes = _size_columns(reader.fieldnames or (), path)
            found: dict[str, list[_Row]] = {}
            for number, row in enumerate(reader, start=2):
                try:
                    whose = (row[_WHOSE] or "").strip()
                    if not whose:
                        raise ValueError("it does not say of which scan")
                    found.setdefault(whose, []).extend(_in_row(row, sizes))
                except (ValueError, TypeError, AttributeError) as error:
                    raise UnreadableError(f"{path.name}, row {number}: {error}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableError(f"{path.name} is no readable table: {error}") from error
    return {whose: _together(rows) for whose, rows in found.items()}


# --- 3D Slicer's ----------------------------------------------------------------------------------


def _of_slicer(path: Path, named_after: Path | None) -> Iterator[_Row]:
    """The regions of interest in a file; see ``vtkMRMLMarkupsROIJsonStorageNode`` of 3D Slicer."""
    try:
        for markup in json.loads(path.read_text(encoding="utf-8-sig"))["markups"]:
            if markup["type"] != "ROI":
                raise UnreadableError(f"it holds a {markup['type']}, which is no box")
            name = markup.get("name") or (named_after.name[: -len(ENDING)] if named_after else "")
            yield re.sub(r"_\d+$", "", name) or UNNAMED, _region(markup), _score(markup)
    except UnreadableError as error:
        raise UnreadableError(f"{path.name}: {error}") from None
    except _DAMAGED as error:
        raise UnreadableError(f"{path.name} is no readable list of boxes: {error}") from error


def _region(markup: Mapping[str, Any]) -> FloatArray:
    """The corners, (8, 3). Slicer has the axes in the columns of its orientation."""
    scale = to_lps(markup)
    centre, size = (np.array(markup[key], dtype=np.float64) for key in ("center", "size"))
    axes = np.array(markup["orientation"], dtype=np.float64).reshape(3, 3)
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise UnreadableError("the axes of a region are not at right angles, or not of length 1")
    if size.min() <= 0:
        raise UnreadableError(f"a region has the size {size.tolist()}, and has no volume")
    corners: FloatArray = (centre + (_CORNERS * size) @ axes.T) * scale
    return corners


def _score(markup: Mapping[str, Any]) -> float | None:
    said = [point.get("description", "") for point in markup.get("controlPoints", [])[:1]]
    found = re.fullmatch(r"score (\S+)", said[0]) if said else None
    return float(found[1]) if found else None


# --- tables, and our own --------------------------------------------------------------------------


def _size_columns(columns: Sequence[str], path: Path) -> tuple[str, ...]:
    sizes = ("sizeX", "sizeY", "sizeZ") if "sizeX" in columns else ("diameter_mm",)
    if missing := [c for c in (_WHOSE, *_PLACE, *sizes) if c not in columns]:
        raise UnreadableError(
            f"{path.name} has no column {', '.join(missing)}; it has: {', '.join(columns)}. Boxes "
            f"are read from {_WHOSE}, {', '.join(_PLACE)} (LPS millimetres) and diameter_mm"
        )
    return sizes


def _in_row(row: Mapping[str, str], sizes: Sequence[str]) -> Iterator[_Row]:
    cells = [(row[column] or "").strip() for column in (*_PLACE, *sizes)]
    if not any(cells):
        return
    numbers = np.array([float(cell) for cell in cells])
    size = np.broadcast_to(numbers[3:], 3)
    if not np.isfinite(numbers).all() or size.min() <= 0:
        raise ValueError(f"its middle and size are {', '.join(cells)}, which is no box")
    name = (row.get("label") or "").strip() or UNNAMED
    yield name, numbers[:3] + _CORNERS * size, None


def _ours(path: Path) -> Boxes:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if (said["kind"], said["coordinate_system"], said["units"]) != ("Boxes", "LPS", "mm"):
            raise UnreadableError("it does not hold Boxes in LPS mm")
        labels = Labels.from_list(said["labels"])
        return Boxes(said["corners"], tuple(said["ids"]), tuple(said["scores"]), labels)
    except _DAMAGED as error:
        raise UnreadableError(f"{path.name} holds no readable boxes: {error}") from error


def _together(rows: Sequence[_Row]) -> Boxes:
    labels = Labels.of(list(dict.fromkeys(name for name, *_ in rows)))
    corners = np.array([corners for _, corners, _ in rows]).reshape(-1, 8, 3)
    scores = [score for *_, score in rows if score is not None]
    sure = tuple(scores) if len(scores) == len(rows) else ()
    return Boxes(corners, tuple(labels[name].id for name, *_ in rows), sure, labels)
