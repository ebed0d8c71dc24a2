"""From solids to voxels: Hounsfield units and labels on a scan's grid, as a scanner would see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medlib.datasets.phantom.shapes import Field, Solid
from medlib.space import Affine, Grid
from medlib.space.grid import FloatArray

_NODE_MM = 3.4  # fields are smooth: worked out this far apart in the plane, interpolated between
_DEEP = 8.0  # voxels from a surface beyond which it does not matter how far


@dataclass(frozen=True)
class Part:
    """A piece of the body, painted over the parts before it.

    Args:
        solid: where it is.
        hu: its Hounsfield units.
        label: the id that its voxels take (0: none); left out, they keep what they had, as when
            a vessel runs through an organ.
    """

    solid: Solid
    hu: float
    label: int | None = 0


@dataclass(frozen=True)
class Body:
    """What lies on the scanner's table.

    Args:
        couch: parts that keep their shape, in the body's millimetres.
        parts: parts that the warp bends, in painter's order.
        to_patient: from the body's own millimetres to the patient's (LPS).
        waves: the warp: (n, 3) radians per mm, (n,) phases, (n, 3) mm of displacement.
    """

    couch: tuple[Part, ...]
    parts: tuple[Part, ...]
    to_patient: Affine
    waves: tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True)
class Acquisition:
    """How the scanner saw it.

    Args:
        noise_hu: standard deviation of the noise.
        grain_mm: over which the noise of neighbouring pixels is alike.
        texture_hu: standard deviation of the unevenness of tissue.
        texture_mm: how coarse that is.
    """

    noise_hu: float
    grain_mm: float
    texture_hu: float
    texture_mm: float


def render(
    body: Body, grid: Grid, acquisition: Acquisition, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Hounsfield units and label ids, each (slice, row, column), of a body on a grid.

    A voxel on a surface is a mixture in the proportion that the surface cuts it (the partial
    volume effect): with a field *f*, the share is a half less *f* over its change across the
    voxel. It takes the label of a part that fills at least half of it.
    """
    canvas = _Canvas.of(body, grid)
    hu = np.full(grid.shape, -1000.0, np.float32)
    labels = np.zeros(grid.shape, np.uint8)
    for points, parts in ((canvas.still, body.couch), (canvas.warped, body.parts)):
        for part in parts:
            canvas.paint(part, points, hu, labels)
    _roughen(hu, grid, acquisition, rng)
    return np.rint(np.clip(hu, -1024, 3071, out=hu)).astype(np.int16), labels


@dataclass(frozen=True)
class _Canvas:
    """The lattice on which fields are worked out: every slice, every ``step``-th row and column."""

    still: Field  # (3, slices, rows, columns): the nodes, in the body's millimetres
    warped: Field  # the same, where the warp takes them
    step: int
    to_node: FloatArray  # (4, 4): from the body's millimetres to fractional nodes
    extent: FloatArray  # (2, 3): lowest and highest millimetres of any node
    bend: FloatArray  # (3,): how far the warp moves anything

    @classmethod
    def of(cls, body: Body, grid: Grid) -> _Canvas:
        step = max(1, round(_NODE_MM / grid.spacing[1]))
        counts = [grid.shape[0], *((n - 2) // step + 2 for n in grid.shape[1:])]
        matrix = body.to_patient.inverse.matrix @ grid.affine
        matrix = matrix @ np.diag([1.0, step, step, 1.0])
        axes = [matrix[:3, j, None] * np.arange(n) for j, n in enumerate(counts)]
        still = (
            matrix[:3, 3].reshape(3, 1, 1, 1)
            + axes[0][:, :, None, None]
            + axes[1][:, None, :, None]
            + axes[2][:, None, None, :]
        ).astype(np.float32)
        warped = still.copy()
        for wave, phase, push in zip(*body.waves, strict=True):
            # On a lattice a plane wave is a product of one wave along each axis.
            ripples = [np.exp(1j * (wave @ axis)).astype(np.complex64) for axis in axes]
            ripples[0] *= np.exp(1j * (wave @ matrix[:3, 3] + phase))
            swell = (ripples[0][:, None, None] * ripples[1][:, None] * ripples[2]).imag
            for axis in range(3):
                warped[axis] += np.float32(push[axis]) * swell
        flat = still.reshape(3, -1)
        return cls(
            still,
            warped,
            step,
            to_node=np.linalg.inv(matrix).astype(np.float64),
            extent=np.stack([flat.min(axis=1), flat.max(axis=1)]).astype(np.float64),
            bend=np.abs(warped - still).reshape(3, -1).max(axis=1).astype(np.float64),
        )

    def paint(self, part: Part, points: Field, hu: Field, labels: npt.NDArray[np.uint8]) -> None:
        box = self._box(part.solid)
        if box is None:
            return
        field = part.solid.field(points[(slice(None), *box)])
        change = sum(
            np.abs(np.gradient(field, axis=axis)) / (1 if axis == 0 else self.step)
            for axis in range(3)
        )
        depth = np.clip(field / (np.asarray(change) + 1e-3), -_DEEP, _DEEP)
        kept = _around(depth < 0.5)
        if kept is None:
            return
        nodes = torch.from_numpy(np.ascontiguousarray(depth[kept], np.float32))
        first, row, column = (b.start + k.start for b, k in zip(box, kept, strict=True))
        size = [(n - 1) * self.step + 1 for n in nodes.shape[1:]]
        window = (
            slice(row * self.step, row * self.step + size[0]),
            slice(column * self.step, column * self.step + size[1]),
        )
        # A slice at a time, so that all of it happens in the processor's cache.
        for index, image in enumerate(nodes, start=first):
            dense = torch.nn.functional.interpolate(
                image[None, None], size=size, mode="bilinear", align_corners=True
            )[0, 0].numpy()
            under = hu[index][window]
            share = dense[: under.shape[0], : under.shape[1]]
            np.subtract(0.5, share, out=share)
            np.clip(share, 0, 1, out=share)
            if part.label is not None:
                labels[index][window][share >= 0.5] = part.label
            under += share * (np.float32(part.hu) - under)

    def _box(self, solid: Solid) -> tuple[slice, slice, slice] | None:
        """The nodes around the solid, or none."""
        low = np.maximum(solid.low - self.bend, self.extent[0])
        high = np.minimum(solid.high + self.bend, self.extent[1])
        if (low > high).any():
            return None
        choice = np.indices((2, 2, 2)).reshape(3, -1).T
        corners = np.stack([low, high])[choice, np.arange(3)]
        index = corners @ self.to_node[:3, :3].T + self.to_node[:3, 3]
        # At least two nodes along each axis, for the gradient.
        last = np.array(self.still.shape[1:]) - 1
        start = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, last - 1)
        stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, start + 1, last) + 1
        s, r, c = (slice(int(i), int(j)) for i, j in zip(start, stop, strict=True))
        return s, r, c


def _around(wanted: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """The smallest box around what is wanted, and one node more; none if nothing is."""
    bounds = []
    for axis in range(3):
        found = np.flatnonzero(wanted.any(axis=tuple(a for a in range(3) if a != axis)))
        if not found.size:
            return None
        margin = 0 if axis == 0 else 1
        bounds.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + 1 + margin))
    return bounds[0], bounds[1], bounds[2]


def _roughen(hu: Field, grid: Grid, acquisition: Acquisition, rng: np.random.Generator) -> None:
    """Add the unevenness of tissue and the noise of the reconstruction, in place."""
    nodes = [
        max(2, round(n * s / acquisition.texture_mm) + 1)
        for n, s in zip(grid.shape, grid.spacing, strict=True)
    ]
    coarse = torch.from_numpy(rng.standard_normal(nodes, np.float32))[None, None]
    texture = torch.nn.functional.interpolate(
        coarse, size=grid.shape, mode="trilinear", align_corners=True
    )[0, 0].numpy()
    solid = hu > -300
    texture *= acquisition.texture_hu / max(float(texture.std()), 1e-6)
    texture *= solid
    hu += texture
    grain = acquisition.grain_mm / grid.spacing[1]
    kernel = np.exp(-0.5 * (np.arange(-2, 3) / max(grain, 1e-3)) ** 2).astype(np.float32)
    kernel *= (acquisition.noise_hu**0.5) / np.linalg.norm(kernel)
    for index in range(len(hu)):
        noise = rng.standard_normal(hu.shape[1:], np.float32)
        hu[index] += _blur(_blur(noise, kernel).T, kernel).T


def _blur(image: Field, kernel: Field) -> Field:
    """Convolve along the rows with a short kernel, wrapping around: it is noise."""
    half = len(kernel) // 2
    return np.asarray(
        sum(k * np.roll(image, i - half, axis=1) for i, k in enumerate(kernel)), np.float32
    )
