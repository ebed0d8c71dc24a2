"""Slow changes of brightness over the field of view, as receiver coils cause in MR."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medlib.space.grid import FloatArray
from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Intensity
from medlib.transforms.steps import IntensityStep
from medlib.types import Volume

Lattice = tuple[tuple[tuple[float, ...], ...], ...]

# Rows: powers 0 to 3 of where one is between two knots; columns: the four B-splines there.
_SPLINES = np.array([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]]) / 6


@dataclass(frozen=True)
class MultiplyByField(IntensityStep):
    """Multiplies by the exponential of a smooth field; empty space stays what it is.

    What is multiplied is what a voxel has more than empty space, so a normalised scan may be
    given. The field is a uniform cubic B-spline whose knots reach from the first voxel's centre
    to the last one's.

    Args:
        lattice: the logarithm's control values along (slice, row, column), at least four each.

    Raises:
        ValueError: for fewer along an axis, or rows that are not as long as each other.
    """

    lattice: Lattice

    def __post_init__(self) -> None:
        shape = np.shape(np.asarray(self.lattice, dtype=object))
        if len(shape) != 3 or min(shape) < 4:
            raise ValueError(
                f"a field needs control values along three axes, four at least each, not {shape}"
            )

    def forward(self, scan: Volume) -> Tensor:
        """The voxels multiplied, float32."""
        return self._multiplied(scan, 1.0)

    def backward(self, scan: Volume) -> Tensor:
        """The voxels divided again."""
        return self._multiplied(scan, -1.0)

    def _multiplied(self, scan: Volume, sense: float) -> Tensor:
        control = sense * np.array(self.lattice) / np.log(2)  # exp2 takes a quarter of exp's time
        slices, rows, columns = (
            basis(n, k) for n, k in zip(scan.grid.shape, control.shape, strict=True)
        )
        # Slices last: all before them is small.
        plane = np.einsum("abc,rb,xc->arx", control, rows, columns, optimize=True)
        left, right = (
            torch.from_numpy(x).to(scan.data.device, torch.float32)
            for x in (slices, plane.reshape(len(plane), -1))
        )
        field = torch.mm(left, right).exp2_().view(scan.grid.shape)
        return (scan.data.float() - scan.background).mul_(field).add_(scan.background)


def basis(size: int, count: int) -> FloatArray:
    """The value of each of ``count`` B-splines at each of ``size`` voxels, (size, count)."""
    places = np.linspace(0, count - 3, size) if size > 1 else np.array([(count - 3) / 2])
    span = np.minimum(places.astype(int), count - 4)
    values = np.vander(places - span, 4, increasing=True) @ _SPLINES
    out = np.zeros((size, count))
    out[np.arange(size)[:, None], span[:, None] + np.arange(4)] = values
    return out


@dataclass(frozen=True)
class BiasField(Intensity):
    """Makes the scan brighter here and darker there: the exponential of a random polynomial.

    Coordinates run from -1 to 1 over the field of view, as in TorchIO. After Van Leemput et al.,
    *Automated model-based bias field correction of MR images of the brain*, IEEE Transactions on
    Medical Imaging 18(10), 1999.

    Args:
        up_to: each coefficient is drawn from ``-up_to`` to ``up_to``.
        order: of the polynomial, 1 to 3.

    Raises:
        ValueError: for another order, or coefficients below 0.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline
        >>> from medlib.types import MRVolume
        >>> scan = MRVolume(torch.rand(1, 8, 8, 8), Grid.from_axes((8, 8, 8)))
        >>> uneven = Pipeline((BiasField(),))(Item((scan,)))
        >>> torch.allclose(uneven.trail.decode(uneven.values[0]).data, scan.data, atol=1e-6)
        True
    """

    up_to: float = 0.5
    order: int = 3

    def __post_init__(self) -> None:
        if self.order not in {1, 2, 3} or not self.up_to >= 0:
            raise ValueError(
                "a bias field is a polynomial of order 1 to 3 with coefficients of at least 0, "
                f"not {self.order} and {self.up_to:g}"
            )

    def draw_for(self, scan: Volume, chance: Chance) -> MultiplyByField | None:
        """A field."""
        powers = np.zeros((4, 4, 4))
        for i, j, k in product(range(self.order + 1), repeat=3):
            if i + j + k <= self.order:
                powers[i, j, k] = chance.uniform(-self.up_to, self.up_to, neutral=0.0)
        if not powers.any():
            return None
        # A cubic on -1…1 is a B-spline without a knot inside: t = 2u - 1 in powers of u, then
        # powers of u in splines.
        doubled = np.array([[1, -1, 1, -1], [0, 2, -4, 6], [0, 0, 4, -12], [0, 0, 0, 8]])
        turn = np.linalg.solve(_SPLINES, doubled)
        lattice = np.einsum("ijk,ai,bj,ck->abc", powers, turn, turn, turn)
        return MultiplyByField(_tuples(lattice))


@dataclass(frozen=True)
class BiasCorrect(Intensity):
    """Takes slow changes of brightness out of an MR by N4; needs SimpleITK.

    After Tustison et al., *N4ITK: improved N3 bias correction*, IEEE Transactions on Medical
    Imaging 29(6), 2010. The patient is told from empty space by Otsu's threshold. The step holds
    the field that was found, so the correction can be undone, or done again, without SimpleITK.

    Args:
        shrink: the field is looked for on every so many voxels along each axis.
        iterations: at each level of detail, the first the coarsest.

    Raises:
        ValueError: for a factor below 1, or no iterations. When applied: for a single row.
        ImportError: when applied without SimpleITK.
    """

    shrink: int = 4
    iterations: tuple[int, ...] = (50, 50, 50, 50)

    def __post_init__(self) -> None:
        if self.shrink < 1 or not self.iterations or min(self.iterations) < 1:
            raise ValueError(
                "N4 takes a factor to shrink by and iterations, each at least 1, not "
                f"{self.shrink} and {self.iterations}"
            )

    def draw_for(self, scan: Volume, chance: Chance) -> MultiplyByField | None:
        """The field that N4 finds, the other way round; None for a scan of one value."""
        signal = scan.data.float().mean(0).sub_(scan.background).clamp_(min=0)
        if float(signal.max()) == float(signal.min()):
            return None
        wide = [n > 1 for n in scan.grid.shape]
        if sum(wide) < 2:
            raise ValueError(f"N4 needs a slice at least, not a scan of {scan.grid.shape} voxels")
        spacing = [mm for mm, several in zip(scan.grid.spacing, wide, strict=True) if several]
        field = _n4(signal.cpu().squeeze().numpy(), spacing, self.shrink, self.iterations)
        # The field is sampled more finely than its control values, which so are its only fit.
        for axis, several in enumerate(wide):
            if several:
                count = 3 + 2 ** (len(self.iterations) - 1)
                inverse = np.linalg.pinv(basis(field.shape[axis], count))
                field = np.moveaxis(np.tensordot(inverse, field, (1, axis)), 0, axis)
            else:
                field = np.repeat(np.expand_dims(field, axis), 4, axis)
        return MultiplyByField(_tuples(-field))


def _n4(signal: Any, spacing: list[float], shrink: int, iterations: tuple[int, ...]) -> FloatArray:
    """The logarithm of the field that N4 finds, on four samples for each span of its spline."""
    try:
        import SimpleITK as sitk  # noqa: N813 (its usual name)
    except ImportError as error:
        raise ImportError("BiasCorrect needs SimpleITK: pip install SimpleITK") from error
    image = sitk.GetImageFromArray(signal)
    image.SetSpacing(spacing[::-1])
    mask = sitk.OtsuThreshold(image, 0, 1)
    factors = [max(1, min(shrink, n // 4)) for n in image.GetSize()]  # a thin slab stays whole
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(iterations)
    n4.Execute(sitk.Shrink(image, factors), sitk.Shrink(mask, factors))
    samples = [4 * 2 ** (len(iterations) - 1) + 1] * image.GetDimension()
    field = n4.GetLogBiasFieldAsImage(sitk.Image(samples, sitk.sitkFloat32))
    found: FloatArray = sitk.GetArrayFromImage(field).astype(np.float64)
    return found


def _tuples(lattice: FloatArray) -> Lattice:
    return tuple(tuple(tuple(row) for row in plane) for plane in lattice.tolist())
