"""Writing values of every kind to files that others read too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from medlib.io import markups
from medlib.io.nifti import write_nifti
from medlib.types import (
    Belief,
    Boxes,
    Categories,
    Category,
    Contours,
    Kind,
    Mask,
    Measurement,
    MultiVolume,
    PointCloud,
    Points,
    Probabilities,
    Shape,
    Volume,
    to_numpy,
    verb,
)

VERSION = 1
_PLACED = {"coordinate_system": "LPS", "units": "mm"}


@verb
def save(value: Kind, path: str | Path) -> None:
    """Write a value to a file; how the file's name ends says in which form.

    ========================  ==================================================================
    volumes, masks            ``.nii.gz`` or ``.nii``; a mask's label table lies in the header
    points                    ``.mrk.json``, fiducials of 3D Slicer's
    boxes                     ``.mrk.json``, regions of interest of 3D Slicer's, if they are
                              rectangular; ``.json`` in any case
    contours, point clouds    ``.json``
    answers                   ``.json``
    ========================  ==================================================================

    A ``.json`` says what kind it holds, the coordinate system, the units, and the label table with
    its codes. A file is written whole or not at all, and an existing one is replaced. Masks are
    written as DICOM by :func:`medlib.io.write_seg`, which needs the series that they are of.

    Args:
        value: of any kind that is registered.
        path: of the file; folders that are missing are made.

    Raises:
        ValueError: when the name ends otherwise, or the form cannot hold the value.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "landmarks.mrk.json"
        >>> save(Points([[10, 20, 30]], ("carina",)), path)
        >>> markups.read_points(path)
        Points(coordinates=array([[10., 20., 30.]]), names=('carina',))
    """
    raise AssertionError


@save.register
def _(value: Volume | Mask, path: str | Path) -> None:
    write_nifti(value, path)


@save.register
def _(value: MultiVolume | Probabilities, path: str | Path) -> None:
    one = "part, as save(value['T1'], …)" if isinstance(value, MultiVolume) else "channel"
    raise ValueError(
        f"{Path(path).name}: a {type(value).__name__} is several volumes, and a file holds one; "
        f"save each {one}, by itself as a Volume"
    )


@save.register
def _(value: Points, path: str | Path) -> None:
    markups.write_points(value, ending(path, markups.ENDING))


@save.register
def _(value: Boxes, path: str | Path) -> None:
    if ending(path, markups.ENDING, ".json").name.lower().endswith(markups.ENDING):
        markups.write_boxes(value, Path(path))
        return
    # Corner k takes the low or high end along the box's own three axes as k's binary digits say.
    held = {"corners": value.corners.tolist(), "ids": value.ids, "scores": value.scores}
    _write(value, path, {**held, "labels": value.labels.to_list()})


@save.register
def _(value: Contours, path: str | Path) -> None:
    polygons = [{"id": label.id, "points": points.tolist()} for label, points in value]
    _write(value, path, {"polygons": polygons, "labels": value.labels.to_list()})


@save.register
def _(value: PointCloud, path: str | Path) -> None:
    features = None if value.features is None else value.features.tolist()
    _write(value, path, {"coordinates": to_numpy(value).tolist(), "features": features})


@save.register
def _(value: Belief | Category | Categories | Measurement, path: str | Path) -> None:
    _write(value, path, {field.name: getattr(value, field.name) for field in fields(value)})


def ending(path: str | Path, *allowed: str) -> Path:
    """The path, if its name ends in one of those allowed.

    Raises:
        ValueError: saying how it should end.

    Example:
        >>> ending("liver.txt", ".json")
        Traceback (most recent call last):
            ...
        ValueError: liver.txt: the name should end in .json
    """
    found = Path(path)
    # The longer ending is a form of its own: a .mrk.json is no plain .json.
    others = {markups.ENDING} - set(allowed)
    name = found.name.lower()
    if not name.endswith(allowed) or name.endswith(tuple(others)):
        raise ValueError(f"{found.name}: the name should end in {' or '.join(allowed)}")
    return found


def _write(value: Kind, path: str | Path, held: Mapping[str, Any]) -> None:
    where = _PLACED if isinstance(value, Shape) else {}
    said = {"kind": type(value).__name__, "version": VERSION, **where, **held}
    markups.write_json(said, ending(path, ".json"))
