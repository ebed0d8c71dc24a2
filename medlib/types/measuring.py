"""Measuring values: sizes, intensities, uptake, distances."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray
from medlib.types import extent, polygons
from medlib.types.answers import Measurement
from medlib.types.arrays import to_numpy
from medlib.types.dispatch import verb
from medlib.types.gridded import CTVolume, Kind, MultiVolume, PETVolume, Volume
from medlib.types.labels import Label
from medlib.types.masks import Mask
from medlib.types.shapes import Boxes, Contours, Points

Measurements = tuple[Measurement, ...]
Window = tuple[slice, slice, slice]
Flags = npt.NDArray[np.bool_]


@verb
def measure(*values: Kind) -> Measurements:
    """What can be measured of a value, or of a scan inside the structures of a mask.

    The names say of what: ``"liver volume"``. What is not defined, as the angle of points that
    coincide, is left out. Structures that are not there have no measurements.

    - ``measure(mask)``: for each structure its volume; its largest diameter (in 3-D, between
      points of its surface halfway between voxels, as in IBSI's L0JK); its long axis (the same,
      within one of the grid's planes nearest to axial) and its short axis (its width in that
      plane at right angles to the long axis, as between the jaws of callipers).
    - ``measure(scan, mask)``: for each structure the mean, standard deviation (of the population,
      as in IBSI), median, minimum, maximum, and 5th and 95th percentile, in the scan's units.
    - ``measure(pet, mask)``: for each structure SUVmax; SUVmean; SUVpeak (the highest mean in a
      sphere of 1 ml centred on one of its voxels, the sphere reaching beyond the structure where
      it must: PERCIST, Wahl 2009; EANM 2.0, Boellaard 2015); the metabolic volume MTV; and the
      total lesion glycolysis TLG, which is SUVmean times MTV.
    - ``measure(several_volumes, mask)``: each part by itself.
    - ``measure(points)``: the length of the path through them; up to ten points, the distance of
      each two; of three, the angle at the second.
    - ``measure(boxes)``: the three sides of each, and its volume.
    - ``measure(contours)``: for each structure the largest area in one plane, and the volume of
      the stack, each plane as thick as they are apart. What lies in a polygon within a polygon
      is a hole. Left out where polygons do not lie in parallel planes, and the volume also where
      the planes are not evenly spaced.
    - ``measure(measurement)``: itself.

    Raises:
        ValueError: when scan and mask lie on different grids; when a CT is no longer in HU or a
            PET not in SUVbw (they were normalised: measure before that); for more than one
            channel; for voxels that are no numbers; for ids that the mask's table does not have.

    Example:
        >>> for found in measure(Points([[0, 0, 0], [3, 4, 0]], names=("carina", "tip"))):
        ...     print(found)
        carina to tip 5 mm
    """
    raise AssertionError


@measure.register
def _(mask: Mask) -> Measurements:
    found: list[Measurement] = []
    for label, window, inside in _structures(mask):
        grid = mask.grid.window([s.start for s in window], inside.shape)
        long, short = extent.axial_axes(inside, grid)
        found += [
            Measurement(int(inside.sum()) * grid.voxel_ml, "ml", f"{label.name} volume"),
            Measurement(extent.diameter(inside, grid), "mm", f"{label.name} largest diameter"),
            Measurement(long, "mm", f"{label.name} long axis"),
            Measurement(short, "mm", f"{label.name} short axis"),
        ]
    return tuple(found)


@measure.register
def _(scan: Volume, mask: Mask) -> Measurements:
    return _statistics(scan, mask, "1" if scan.units == "arbitrary" else scan.units)


@measure.register
def _(scan: CTVolume, mask: Mask) -> Measurements:
    _in_units(scan, "HU")
    return _statistics(scan, mask, "[hnsf'U]")


@measure.register
def _(scan: PETVolume, mask: Mask) -> Measurements:
    _in_units(scan, "SUVbw")
    suv = "{SUVbw}g/ml"
    found: list[Measurement] = []
    for label, window, inside in _structures(mask):
        uptake = _inside(scan, mask, label, window, inside)
        volume = len(uptake) * mask.grid.voxel_ml
        peak = extent.peak(to_numpy(scan)[0], mask.grid, window, inside)
        found += [
            Measurement(float(uptake.max()), suv, f"{label.name} SUVmax"),
            Measurement(float(uptake.mean()), suv, f"{label.name} SUVmean"),
            Measurement(peak, suv, f"{label.name} SUVpeak"),
            Measurement(volume, "ml", f"{label.name} MTV"),
            Measurement(float(uptake.mean()) * volume, "g", f"{label.name} TLG"),
        ]
    return tuple(found)


@measure.register
def _(scans: MultiVolume, mask: Mask) -> Measurements:
    return tuple(
        Measurement(m.value, m.unit, f"{name} {m.name}")
        for name, part in zip(scans.names, scans.parts, strict=True)
        for m in measure(part, mask)
    )


@measure.register
def _(points: Points) -> Measurements:
    at = points.coordinates
    names = points.names or tuple(f"point {i}" for i in range(1, len(at) + 1))
    found: list[Measurement] = []
    if len(at) > 2:
        path = float(np.linalg.norm(np.diff(at, axis=0), axis=1).sum())
        found.append(Measurement(path, "mm", "path length"))
    if len(at) <= 10:
        for i, j in combinations(range(len(at)), 2):
            apart = float(np.linalg.norm(at[i] - at[j]))
            found.append(Measurement(apart, "mm", f"{names[i]} to {names[j]}"))
    if len(at) == 3 and not (at[1] == at[[0, 2]]).all(1).any():
        one, other = at[0] - at[1], at[2] - at[1]
        # Sound near 0 and 180 degrees, where the cosine says little.
        angle = np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))
        found.append(Measurement(float(angle), "deg", f"angle at {names[1]}"))
    return tuple(found)


@measure.register
def _(boxes: Boxes) -> Measurements:
    found: list[Measurement] = []
    # (box, first, second, third end, 3); a side is the mean of its four parallel edges
    ends = boxes.corners.reshape(-1, 2, 2, 2, 3)
    edges = np.stack([np.diff(ends, axis=k).mean((1, 2, 3)) for k in (1, 2, 3)], 1)
    for number, sides in enumerate(edges):
        of = f" ({boxes.labels.by_id(boxes.ids[number]).name})" if boxes.ids else ""
        name = f"box {number + 1}{of}"
        lengths = np.linalg.norm(sides, axis=1)
        found += [Measurement(x, "mm", f"{name} side {k}") for k, x in enumerate(lengths, 1)]
        found.append(Measurement(abs(np.linalg.det(sides)) / 1000, "ml", f"{name} volume"))
    return tuple(found)


@measure.register
def _(contours: Contours) -> Measurements:
    outlines: dict[Label, list[FloatArray]] = {}
    for label, polygon in contours:
        outlines.setdefault(label, []).append(polygon)
    found: list[Measurement] = []
    for label, own in outlines.items():
        planes = polygons.stacked(own)
        if planes is None:
            continue
        found.append(Measurement(max(planes.areas), "mm2", f"{label.name} largest area"))
        if planes.thickness is not None:
            volume = sum(planes.areas) * planes.thickness / 1000
            found.append(Measurement(volume, "ml", f"{label.name} volume"))
    return tuple(found)


@measure.register
def _(measurement: Measurement) -> Measurements:
    return (measurement,)


def _structures(mask: Mask) -> Iterator[tuple[Label, Window, Flags]]:
    """Each structure that is there, in the table's order: its window, and where it is in it.

    Raises:
        ValueError: for ids without a label, which would be lost.
    """
    windows = mask.extents()
    if unknown := sorted(windows.keys() - set(mask.labels.ids)):
        raise ValueError(
            f"the mask holds the ids {', '.join(map(str, unknown))}, which its label table has "
            "not: add them to the table, or clear them"
        )
    layers = to_numpy(mask)
    for label in mask.labels:
        if label.id in windows:
            window = windows[label.id]
            yield label, window, (layers[:, *window] == label.id).any(0)


def _in_units(scan: Volume, units: str) -> None:
    if scan.units != units:
        kind = type(scan).__name__
        raise ValueError(
            f"this {kind} is in {scan.units!r}, not in {units}: measure the scan as it was read, "
            "before its intensities are transformed"
        )


def _inside(scan: Volume, mask: Mask, label: Label, window: Window, inside: Flags) -> FloatArray:
    """The scan's voxels in a structure, float64."""
    if not scan.grid.close_to(mask.grid):
        raise ValueError(
            f"scan and mask lie on different grids: {scan.grid.difference(mask.grid)}; resample "
            "the mask to the scan first"
        )
    if scan.data.shape[0] != 1:
        raise ValueError(f"measure one channel at a time, not {scan.data.shape[0]}")
    voxels: FloatArray = to_numpy(scan)[0][window][inside].astype(np.float64)
    if not np.isfinite(voxels).all():
        lost = int((~np.isfinite(voxels)).sum())
        raise ValueError(f"{lost} voxels of the scan in {label.name} are no numbers")
    return voxels


def _statistics(scan: Volume, mask: Mask, unit: str) -> Measurements:
    found: list[Measurement] = []
    for label, window, inside in _structures(mask):
        voxels = _inside(scan, mask, label, window, inside)
        low, median, high = np.percentile(voxels, (5, 50, 95))
        said = {
            "mean": voxels.mean(),
            "standard deviation": voxels.std(),
            "median": median,
            "minimum": voxels.min(),
            "maximum": voxels.max(),
            "5th percentile": low,
            "95th percentile": high,
        }
        found += [Measurement(x, unit, f"{label.name} {what}") for what, x in said.items()]
    return tuple(found)
