"""What was lost on the way there and back, measured alike for every library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers.undo_scene import RIM, Scene
from scipy.ndimage import map_coordinates

Answers = dict[str, dict[str, Any]]  # of one library, by the names of works
Cell = float | str | None  # a figure, or a few words on why there is none; None where not offered

_APART = 1.0  # mm: points further than this from their voxels have been left behind


@dataclass(frozen=True)
class Trip:
    """One scene there and back.

    Args:
        sent: before.
        there: after the work.
        back: after it was undone.
    """

    sent: Scene
    there: Scene
    back: Scene

    @property
    def lands(self) -> str:
        """Where it came back to, if that is not where it was sent from; else empty."""
        same = self.back.labels.shape == self.sent.labels.shape
        if same and np.allclose(self.back.affine, self.sent.affine, atol=1e-2):
            return ""
        spacing = np.linalg.norm(self.back.affine[:3, :3], axis=0)
        return (
            f"not undone: {'×'.join(str(n) for n in self.back.labels.shape)} of "
            f"{'×'.join(f'{s:.3g}' for s in spacing)} mm comes back"
        )

    @property
    def as_it_was_there(self) -> bool:
        """Whether what came back is what was there: nothing was undone."""
        return np.array_equal(self.back.scan, self.there.scan) and not np.array_equal(
            self.sent.scan, self.there.scan
        )

    @property
    def inner(self) -> NDArray[np.bool_]:
        """Which voxels stayed in view and are not at the border."""
        inner = np.zeros(self.sent.labels.shape, bool)
        inner[RIM:-RIM, RIM:-RIM, RIM:-RIM] = True
        return inner & (self.back.seen > 0)


def difference(trip: Trip) -> Cell:
    """The greatest difference of scan or labels, where both stayed in view."""
    seen = trip.back.seen > 0
    scans = np.abs(trip.back.scan - trip.sent.scan)[:, seen].max()
    labels = np.abs(trip.back.labels.astype(int) - trip.sent.labels)[seen].max()
    return float(max(scans, labels))


def points_off(trip: Trip) -> Cell:
    """Millimetres between the points sent and the points that came back, the greatest."""
    if trip.back.points is None:
        return "no points come back"
    if trip.sent.scan.shape[0] > 1 and _points_beside(trip) > _APART:
        return "points stayed where they were"
    return float(np.linalg.norm(trip.back.points - trip.sent.points, axis=1).max())


def points_beside(trip: Trip) -> Cell:
    """Millimetres between the moved points and the voxels that they were on."""
    return "no points there" if trip.there.points is None else _points_beside(trip)


def _points_beside(trip: Trip) -> float:
    affine = np.linalg.inv(trip.there.affine)
    index = affine[:3, :3] @ trip.there.points.T + affine[:3, 3:]
    came_from = np.stack([map_coordinates(c, index, order=1) for c in trip.there.scan[-3:]])
    return float(np.linalg.norm(came_from.T - trip.sent.points, axis=1).max())


def dice(trip: Trip) -> NDArray[np.float64]:
    """Of each organ of at least a millilitre, where it stayed in view."""
    seen = trip.back.seen > 0
    before, after = trip.sent.labels[seen], trip.back.labels[seen]
    pairs = [(before == k, after == k) for k in _organs(trip)]
    return np.array([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs])


def volume(trip: Trip) -> Cell:
    """By how much the organs' volumes are off where they stayed in view, mean, per cent."""
    seen = trip.back.seen > 0
    before, after = trip.sent.labels[seen], trip.back.labels[seen]
    count = [(np.sum(before == k), np.sum(after == k)) for k in _organs(trip)]
    return float(np.mean([100 * abs(b / a - 1) for a, b in count]))


def _organs(trip: Trip) -> list[int]:
    """The ids of organs of which at least a millilitre stayed in view."""
    count = np.bincount(trip.sent.labels[trip.back.seen > 0])
    voxel_ml = abs(np.linalg.det(trip.sent.affine)) / 1000
    return [k for k in range(1, len(count)) if count[k] * voxel_ml >= 1]


def displacement(trip: Trip) -> Cell:
    """Millimetres that the furthest voxel has come."""
    return f"{trip.sent.displacement(trip.there):.1f}"  # no error: it is not to be compared


def dense(trip: Trip) -> NDArray[np.float64]:
    """Millimetres that each voxel's coordinates are off."""
    off = np.linalg.norm(trip.back.scan[-3:] - trip.sent.coordinates(), axis=0)
    return off[trip.inner].astype(np.float64)


def intensity(trip: Trip) -> Cell:
    """Mean absolute error of the smooth channel, per cent of its range."""
    off = np.abs(trip.back.scan[0] - trip.sent.scan[0])[trip.inner]
    return float(100 * off.mean() / np.ptp(trip.sent.scan[0]))


def last_voxel(trip: Trip) -> Cell:
    """Millimetres that the grid which came back puts its last voxel off."""
    ends = [s.affine @ [*(np.array(s.labels.shape) - 1), 1] for s in (trip.back, trip.sent)]
    return float(np.linalg.norm(ends[0] - ends[1]))


def last_voxel_read(trip: Trip) -> Cell:
    """Millimetres off of a straight line through what voxels hold, 6 from each end, at the last."""
    along, middle = np.arange(len(trip.sent.labels)), trip.back.labels.shape[1] // 2
    values = trip.back.scan[0, :, middle, middle].astype(np.float64)
    line = np.polyfit(along[6:-6], values[6:-6], 1)
    return float(abs(np.polyval(line, along[-1]) - trip.sent.scan[0, -1, middle, middle]))


@dataclass(frozen=True)
class What:
    """Something that is measured of a work.

    Args:
        name: of it; empty where the work has only one.
        unit: of its figures.
        of: the measure; for what needs another process, the form in which the way was kept.
    """

    name: str
    unit: str
    of: Callable[[Trip], Cell] | str

    @property
    def needs_kept(self) -> bool:
        """Whether it is of a way back that was kept for another process."""
        return isinstance(self.of, str)


_KEPT = (What("after pickling", "", "pickle"), What("from JSON alone", "", "json"))
_POINTS_AND_DICE = (
    What("points", "mm", points_off),
    What("mean Dice", "Dice", lambda trip: float(dice(trip).mean())),
    What("least Dice", "Dice", lambda trip: float(dice(trip).min())),
    What("volumes off, mean", "%", volume),
)
_EXACT = (What("", "greatest difference", difference),)
ROWS: dict[str, tuple[What, ...]] = {
    **dict.fromkeys(("flip", "crop", "pad", "reorient"), _EXACT),
    "affine": (*_POINTS_AND_DICE, *_KEPT),
    "resample": _POINTS_AND_DICE,
    "last voxel": (
        What("of 101, its place", "mm", last_voxel),
        What("of 101, by what is read", "mm", last_voxel_read),
        What("of 101, a point on it", "mm", points_off),
    ),
    "elastic": (
        What("greatest displacement", "mm, there", displacement),
        What("points", "mm", points_off),
        What("points beside their voxels, there", "mm", points_beside),
        What("dense, mean", "mm", lambda trip: float(dense(trip).mean())),
        What("dense, 99th percentile", "mm", lambda trip: float(np.percentile(dense(trip), 99))),
        What("dense, greatest", "mm", lambda trip: float(dense(trip).max())),
        What("smooth volume, MAE", "% of range", intensity),
        *_KEPT,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        work: what was done, and what was measured of it.
        unit: of the figures.
        cells: by the names of the libraries.
    """

    work: str
    unit: str
    cells: dict[str, Cell]

    @classmethod
    def measured(
        cls, what: What, work: str, sent: Path, folder: Path, answers: dict[str, Answers]
    ) -> Row:
        """The row of all libraries.

        Args:
            what: to measure.
            work: its name.
            sent: the file of the scene.
            folder: with a folder for each library, of what came back.
            answers: of each library.
        """
        scene = Scene.load(sent)
        cells = {
            name: _cell(what, scene, folder / name / work, found[work])
            for name, found in answers.items()
        }
        return cls(f"{work}: {what.name}" if what.name else work, what.unit, cells)

    def ratio(self, name: str) -> float | None:
        """A peer's error by medlib's; None where either has none."""
        ours, theirs = self.cells["medlib"], self.cells[name]
        if not isinstance(ours, float) or not isinstance(theirs, float):
            return None
        if self.unit == "Dice":
            ours, theirs = 1 - ours, 1 - theirs
        return round(theirs / ours, 3) if ours > 1e-9 else None  # less is rounding

    def line(self, names: list[str]) -> str:
        """In a table of Markdown."""
        return f"| {self.work} | {self.unit} | {' | '.join(self._said(n) for n in names)} |"

    def to_json(self) -> list[dict[str, Any]]:
        """An entry for each peer."""
        return [
            {
                "work": self.work,
                "medlib": self.cells["medlib"],
                "peer": cell,
                "peer_name": name,
                "unit": self.unit,
                "ratio": self.ratio(name),
            }
            for name, cell in self.cells.items()
            if name != "medlib"
        ]

    def _said(self, name: str) -> str:
        cell = self.cells[name]
        if isinstance(cell, float):
            return f"{cell:.4f}" if self.unit == "Dice" else f"{cell:.3g}"
        return "–" if cell is None else cell


def _cell(what: What, sent: Scene, came: Path, answer: dict[str, Any]) -> Cell:
    if "error" in answer:
        return f"fails: {answer['error'][:80]}"
    trip = Trip(sent, *(Scene.load(came.with_name(came.name + e)) for e in (".there.npz", ".npz")))
    if trip.lands:
        return trip.lands
    if isinstance(what.of, str):
        if trip.as_it_was_there:
            return "not undone"
        if what.of in answer:
            return f"no: {answer[what.of].split(':')[0]}"
        again = Scene.load(came.with_name(f"{came.name}.{what.of}.npz"))
        same = np.array_equal(again.labels, trip.back.labels)
        return "yes" if same and np.array_equal(again.scan, trip.back.scan) else "no: differs"
    found = what.of(trip)
    return (
        f"not undone: {found:.3g}" if trip.as_it_was_there and isinstance(found, float) else found
    )
