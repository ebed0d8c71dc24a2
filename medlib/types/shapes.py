"""The kinds that are places and outlines: points, point clouds, boxes, contours.

All lie in patient space, LPS millimetres in float64, so cropping, padding or resampling a scan
leaves them where they are. All are frozen, their arrays are read-only, and a pickle keeps both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from medlib.space.grid import FloatArray, Grid
from medlib.types.gridded import Kind
from medlib.types.labels import NO_LABELS, Label, Labels
from medlib.types.masks import Mask


class Shape(Kind):
    """Places in patient space: what points, point clouds, boxes and contours share."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew by its constructor, or an unpickled array would be writeable.
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return _made, (type(self), values)


def _made(kind: type[Shape], values: dict[str, Any]) -> Shape:
    return kind(**values)


@dataclass(frozen=True, eq=False)
class Points(Shape):
    """Named places in the patient.

    Args:
        coordinates: (n, 3), LPS millimetres, float64.
        names: one for each, or none at all.

    Raises:
        ValueError: for another shape, coordinates that are not finite, or too few names.

    Example:
        >>> Points([[10, 0, 5]], names=("carina",)).coordinates.shape
        (1, 3)
    """

    coordinates: FloatArray
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        coordinates = _places("points", self.coordinates, (3,))
        if self.names and len(self.names) != len(coordinates):
            raise ValueError(f"{len(coordinates)} points cannot have {len(self.names)} names")
        object.__setattr__(self, "coordinates", coordinates)

    def select(self, names: Sequence[str]) -> Points:
        """The points of these names, in this order.

        Raises:
            ValueError: when one is missing, or is there twice.
        """
        for name in names:
            if self.names.count(name) != 1:
                raise ValueError(
                    f"there are {self.names.count(name)} points called {name}, and one is needed; "
                    f"there are: {', '.join(self.names) or 'none with a name'}"
                )
        return Points(self.coordinates[[self.names.index(n) for n in names]], tuple(names))


@dataclass(frozen=True, eq=False, repr=False)
class PointCloud(Shape):
    """Many places without names: the points of a surface, the path of a tracked tip.

    Args:
        coordinates: (n, 3), LPS millimetres, float64.
        features: (n, k), what is known at each place, carried along unchanged by every map; so
            nothing that turns with the patient, such as a normal, belongs here.

    Raises:
        ValueError: for another shape, coordinates that are not finite, or features that are not
            one row a point.

    Example:
        >>> PointCloud([[0, 0, 0], [0, 0, 5]])
        PointCloud(2 points)
    """

    coordinates: FloatArray
    features: Tensor | None = None

    def __post_init__(self) -> None:
        coordinates = _places("a point cloud", self.coordinates, (3,))
        found = self.features
        if found is not None and (found.ndim != 2 or len(found) != len(coordinates)):
            raise ValueError(
                f"features of {len(coordinates)} points need a row for each, "
                f"({len(coordinates)}, k), got {tuple(found.shape)}"
            )
        object.__setattr__(self, "coordinates", coordinates)

    def __repr__(self) -> str:
        return f"PointCloud({len(self.coordinates)} points)"


@dataclass(frozen=True, eq=False, repr=False)
class Boxes(Shape):
    """Boxes around findings, each by its eight corners.

    Eight corners and not two ends, so that any map acts corner by corner and can be undone
    exactly: a box that was turned is still the same box, and :attr:`low` and :attr:`high` say
    what encloses it.

    Args:
        corners: (n, 8, 3), LPS millimetres, float64. Corner *k* takes, along each of the box's
            three axes, the low (0) or the high (1) end as ``numpy.indices((2, 2, 2))`` has them:
            000, 001, 010, … 111. :meth:`medlib.space.Grid.corners` has the same order.
        ids: the label of each box, in ``labels``; empty where none is known.
        scores: how sure somebody is of each box; empty where nobody said.
        labels: the table of ids.

    Raises:
        ValueError: for another shape, coordinates or scores that are not finite, ids or scores
            that are not one each, and ids that the table does not have.

    Example:
        >>> found = Boxes.between([[0, 0, 0]], [[10, 20, 30]])
        >>> found.centres
        array([[ 5., 10., 15.]])
        >>> found.corners[0, 1]
        array([ 0.,  0., 30.])
    """

    corners: FloatArray
    ids: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    labels: Labels = NO_LABELS

    def __post_init__(self) -> None:
        corners = _places("boxes", self.corners, (8, 3))
        for what, found in (("ids", self.ids), ("scores", self.scores)):
            if found and len(found) != len(corners):
                raise ValueError(f"{len(corners)} boxes cannot have {len(found)} {what}")
        if not np.isfinite(self.scores).all():
            raise ValueError("scores of boxes must be finite; leave all out if one is not known")
        object.__setattr__(self, "corners", corners)
        object.__setattr__(self, "ids", _known("boxes", self.ids, self.labels))

    @classmethod
    def between(
        cls,
        low: npt.ArrayLike,
        high: npt.ArrayLike,
        *,
        ids: tuple[int, ...] = (),
        scores: tuple[float, ...] = (),
        labels: Labels = NO_LABELS,
    ) -> Self:
        """Boxes along the patient's axes, from their ends (n, 3), LPS millimetres.

        Raises:
            ValueError: when a high end lies below a low one, or as the class does.
        """
        first, last = (_places("ends of boxes", ends, (3,)) for ends in (low, high))
        if first.shape != last.shape:
            raise ValueError(f"{len(first)} low ends do not fit {len(last)} high ends")
        for number in np.flatnonzero((first > last).any(1)):
            raise ValueError(
                f"box {number} ends at {last[number].tolist()}, below its start "
                f"{first[number].tolist()}"
            )
        return cls(_cornered(np.stack([first, last], 1)), ids, scores, labels)

    @classmethod
    def around(cls, mask: Mask) -> Self:
        """One box for each label present in a mask, in the order of their ids.

        The sides run along the grid's axes, on the outer edges of the outermost voxels.

        Raises:
            ValueError: for ids in the tensor that the mask's table does not have.
        """
        found = mask.extents()
        ends = [[[s.start - 0.5 for s in at], [s.stop - 0.5 for s in at]] for at in found.values()]
        indices = np.array(ends, dtype=np.float64).reshape(-1, 2, 3)
        return cls(mask.grid.to_patient(_cornered(indices)), tuple(found), labels=mask.labels)

    def __len__(self) -> int:
        return len(self.corners)

    def __repr__(self) -> str:
        return f"Boxes({len(self)} boxes)"

    @property
    def centres(self) -> FloatArray:
        """(n, 3): the middles, LPS millimetres."""
        middles: FloatArray = self.corners.mean(1)
        return middles

    @property
    def low(self) -> FloatArray:
        """(n, 3): the low ends of the boxes along the patient's axes that enclose these."""
        ends: FloatArray = self.corners.min(1)
        return ends

    @property
    def high(self) -> FloatArray:
        """(n, 3): the high ends of the boxes along the patient's axes that enclose these."""
        ends: FloatArray = self.corners.max(1)
        return ends

    def on(self, grid: Grid) -> FloatArray:
        """What encloses each box in a grid's indices: (n, 2, 3), low and high.

        Indices (slice, row, column) are fractional and count from the centre of the first voxel,
        whose edges are thus at -0.5 and 0.5. They may lie outside the grid.
        """
        indices = grid.to_index(self.corners)
        return np.stack([indices.min(1), indices.max(1)], 1)


@dataclass(frozen=True, eq=False, repr=False)
class Contours(Shape):
    """Closed polygons around structures, as an RT Structure Set has them (PS3.3 C.8.8.6).

    Args:
        coordinates: (n, 3), LPS millimetres, float64: the points of all polygons, one polygon
            after another. The last point of each is joined to its first, which is not repeated.
        lengths: how many points each polygon has.
        ids: the label of each polygon, in ``labels``.
        labels: the table of ids.

    Raises:
        ValueError: for another shape, coordinates that are not finite, lengths that do not add
            up, polygons of fewer than three points, ids that are not one each, and ids that the
            table does not have.

    Example:
        >>> square = [[0, 0, 5], [10, 0, 5], [10, 10, 5], [0, 10, 5]]
        >>> outline = Contours(square, (4,), (1,), Labels.of(["liver"]))
        >>> [(label.name, len(polygon)) for label, polygon in outline]
        [('liver', 4)]
        >>> outline.is_planar()
        True
    """

    coordinates: FloatArray
    lengths: tuple[int, ...]
    ids: tuple[int, ...]
    labels: Labels = NO_LABELS

    def __post_init__(self) -> None:
        coordinates = _places("contours", self.coordinates, (3,))
        lengths = tuple(map(int, self.lengths))
        if sum(lengths) != len(coordinates):
            raise ValueError(
                f"contours of {sum(lengths)} points in all cannot have {len(coordinates)} "
                "coordinates"
            )
        for number, length in enumerate(lengths):
            if length < 3:
                raise ValueError(
                    f"polygon {number} has {length} points, and three at least enclose something; "
                    "an RT Structure Set's POINT contours are Points"
                )
        if len(self.ids) != len(lengths):
            raise ValueError(f"{len(lengths)} polygons cannot have {len(self.ids)} ids")
        object.__setattr__(self, "coordinates", coordinates)
        object.__setattr__(self, "lengths", lengths)
        object.__setattr__(self, "ids", _known("contours", self.ids, self.labels))

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[tuple[Label, FloatArray]]:
        starts = np.cumsum((0, *self.lengths))
        table = {label.id: label for label in self.labels}
        for label_id, (start, stop) in zip(self.ids, pairwise(starts.tolist()), strict=True):
            yield table[label_id], self.coordinates[start:stop]

    def __repr__(self) -> str:
        return f"Contours({len(self)} polygons, {len(self.coordinates)} points)"

    def is_planar(self, tolerance_mm: float = 0.1) -> bool:
        """Whether each polygon lies in a plane, no point further from it than the tolerance.

        The plane is that of least squares, so this is sure of planar ones, and a little strict.
        """
        return all(_off_plane(polygon) <= tolerance_mm for _, polygon in self)


def _places(what: str, array: npt.ArrayLike, tail: tuple[int, ...]) -> FloatArray:
    """A read-only float64 copy (n, *tail), finite."""
    found = np.array(array, dtype=np.float64)
    if found.size == 0 and (found.ndim == 1 or found.shape[1:] == tail):
        found = found.reshape(0, *tail)
    if found.shape[1:] != tail or found.ndim != 1 + len(tail):
        wanted = ", ".join(map(str, ("n", *tail)))
        raise ValueError(f"{what} need coordinates ({wanted}), got {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{what} need finite coordinates; leave out those that are not known")
    found.setflags(write=False)
    return found


def _known(what: str, ids: Sequence[int], labels: Labels) -> tuple[int, ...]:
    unknown = sorted(set(ids) - set(labels.ids))
    if unknown:
        raise ValueError(
            f"{what} have the ids {', '.join(map(str, unknown))}, which the label table has not; "
            f"it has: {', '.join(map(str, labels.ids)) or 'none'}"
        )
    return tuple(map(int, ids))


def _cornered(ends: FloatArray) -> FloatArray:
    """The corners (n, 8, 3) between ends (n, 2, 3)."""
    choice = np.indices((2, 2, 2)).reshape(3, -1).T
    corners: FloatArray = ends[:, choice, np.arange(3)]
    return corners


def _off_plane(polygon: FloatArray) -> float:
    """How far the points lie from their plane at most, in millimetres."""
    centred = polygon - polygon.mean(0)
    normal = np.linalg.svd(centred, full_matrices=False)[2][-1]
    return float(np.abs(centred @ normal).max())
