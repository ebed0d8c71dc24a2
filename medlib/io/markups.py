"""Points and boxes as 3D Slicer's markups (``.mrk.json``, schema 1.0.3; ``.fcsv``).

Slicer's own frame is RAS and its files may be in either; medlib writes LPS, and reads no file
that does not say which it is in.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medlib.io.files import UnreadableError, written_whole
from medlib.space.grid import FloatArray
from medlib.types import Boxes, Points

ENDING = ".mrk.json"
_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.3.json#"
)
_TO_LPS = {"LPS": np.array([1.0, 1.0, 1.0]), "RAS": np.array([-1.0, -1.0, 1.0])}
_NUMBERED = {"0": "RAS", "1": "LPS"}  # in .fcsv files before Slicer 4.11
_MILLIMETRES = {"mm": 1.0, "um": 0.001}
_OF_POINTS = ("Fiducial", "Line", "Angle", "Curve", "ClosedCurve")
_BENT_MM = 0.01


def write_points(points: Points, path: Path) -> None:
    """Write points as a list of fiducials, LPS millimetres."""
    names = points.names or ("",) * len(points.coordinates)
    controls = [
        _control(k, name, place)
        for k, (name, place) in enumerate(zip(names, points.coordinates, strict=True), start=1)
    ]
    _write([{"type": "Fiducial", "controlPoints": controls}], path)


def write_boxes(boxes: Boxes, path: Path) -> None:
    """Write boxes as ROIs, each named and coloured as its label.

    Raises:
        ValueError: for a box that is not rectangular, as a sheared, bent or flat one.
    """
    _write([_roi(boxes, number) for number in range(len(boxes))], path)


def read_points(path: str | Path) -> Points:
    """The points in a markups file of 3D Slicer's, ``.mrk.json`` or ``.fcsv``.

    Points that were listed but never placed have no position, and are left out. Lines, angles
    and curves are read as their points, several lists as one.

    Raises:
        UnreadableError: when the file is damaged or of another kind, or does not say whether it
            is in LPS or RAS.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith((ENDING, ".fcsv")):
        raise UnreadableError(f"{path.name} is neither {ENDING} nor .fcsv")
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = list(_in_json(text) if name.endswith(ENDING) else _in_fcsv(text))
        names = tuple(label for label, _ in found)
        places = np.array([place for _, place in found], dtype=np.float64)
        return Points(places, names if any(names) else ())
    except UnreadableError as error:
        raise UnreadableError(f"{path.name}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UnreadableError(f"{path.name} is no readable list of markups: {error}") from error


def _in_json(text: str) -> Iterator[tuple[str, FloatArray]]:
    for markup in json.loads(text)["markups"]:
        if markup["type"] not in _OF_POINTS:
            raise UnreadableError(f"it holds a {markup['type']}, which is no list of points")
        scale = to_lps(markup)
        for point in markup.get("controlPoints", []):
            if point.get("positionStatus", "defined") == "defined":
                yield point.get("label", ""), np.array(point["position"], dtype=np.float64) * scale


def _in_fcsv(text: str) -> Iterator[tuple[str, FloatArray]]:
    lines = text.splitlines()
    said = [line[1:].partition("=") for line in lines if line.startswith("#")]
    header = {key.strip().lower(): value.strip() for key, _, value in said}
    system = header.get("coordinatesystem", "")
    scale = _signs(_NUMBERED.get(system, system))
    columns = header["columns"].split(",")
    rows = (line for line in lines if line.strip() and not line.startswith("#"))
    for row in csv.DictReader(rows, fieldnames=columns):
        place = np.array([float(row[axis]) for axis in "xyz"])
        yield row["label"] or "", place * scale


def to_lps(markup: Mapping[str, Any]) -> FloatArray:
    """(3,): what to multiply the coordinates of a markup by, to have them in LPS millimetres.

    Raises:
        UnreadableError: when it does not say whether it is in LPS or RAS, or has unknown units.
    """
    units = markup.get("coordinateUnits", "mm")  # the schema's own default
    unit = units if isinstance(units, str) else units[0]
    if unit not in _MILLIMETRES:
        raise UnreadableError(f"its unit {unit!r} is not known; it should be mm")
    return _signs(markup.get("coordinateSystem")) * _MILLIMETRES[unit]


def _signs(system: object) -> FloatArray:
    if system not in ("LPS", "RAS"):
        raise UnreadableError(
            f"its coordinate system is {system or 'not said'}, so left might be right; it should "
            "say LPS or RAS: open it in 3D Slicer and save it again"
        )
    return _TO_LPS[str(system)]


def _control(number: int, label: str, place: FloatArray, description: str = "") -> dict[str, Any]:
    return {
        "id": str(number),
        "label": label,
        "description": description,
        "position": place.tolist(),
        "positionStatus": "defined",
    }


def _roi(boxes: Boxes, number: int) -> dict[str, Any]:
    middle = boxes.centres[number]
    ends = boxes.corners[number].reshape(2, 2, 2, 3)
    edges = np.stack([np.diff(ends, axis=k).mean((0, 1, 2)) for k in range(3)], axis=1)
    size = np.linalg.norm(edges, axis=0)
    choice = np.indices((2, 2, 2)).reshape(3, -1).T - 0.5
    bent = np.abs(middle + choice @ edges.T - boxes.corners[number]).max()
    # How far a side leans out of the right angle, as millimetres at its end.
    lean = np.abs(np.triu(edges.T @ edges, 1)).max() / size.max(initial=1e-9)
    if size.min() < _BENT_MM or max(bent, lean) > _BENT_MM:
        raise ValueError(
            f"box {number + 1} is flat, or has no right angles, as a {ENDING} needs them; save it "
            "as .json, which keeps every corner"
        )
    axes = edges / size
    axes[:, 2] *= np.sign(np.linalg.det(axes))  # right-handed; the box is the same
    label = boxes.labels.by_id(boxes.ids[number]) if boxes.ids else None
    name = label.name if label else f"box {number + 1}"
    score = f"score {boxes.scores[number]:.6g}" if boxes.scores else ""
    roi = {
        "type": "ROI",
        "name": name,
        "controlPoints": [_control(1, name, middle, score)],
        "roiType": "Box",
        "center": middle.tolist(),
        "orientation": axes.ravel().tolist(),
        "size": size.tolist(),
    }
    colour = [part / 255 for part in label.rgb] if label else None
    return roi | ({"display": {"color": colour, "selectedColor": colour}} if colour else {})


def _write(markups: list[dict[str, Any]], path: Path) -> None:
    placed = {"coordinateSystem": "LPS", "coordinateUnits": "mm"}
    write_json({"@schema": _SCHEMA, "markups": [markup | placed for markup in markups]}, path)


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write plain values as JSON, whole or not at all.

    Raises:
        ValueError: for numbers that are not finite, which JSON has not.
    """
    try:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path.name}: JSON has no numbers that are not finite") from error
    with written_whole(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
