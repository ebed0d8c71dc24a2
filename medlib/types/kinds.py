"""The kinds of value: volumes, masks, probabilities, points, categories.

All are frozen. To change one is to make another: ``dataclasses.replace(volume, data=…)``.
Tensors of images are (channel, slice, row, column); see :mod:`medlib.space` for coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from medlib.space.grid import FloatArray, Grid
from medlib.types.labels import Labels

_HALF_SUPPORTED = (torch.uint16, torch.uint32, torch.uint64)


class Kind:
    """Anything the library moves, shows, measures or learns from."""

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Gridded(Kind):
    """A tensor sampled on a grid: what volumes, masks and probabilities share."""

    data: Tensor
    grid: Grid

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.data, Tensor):
            raise TypeError(f"{name} needs a torch.Tensor, not {type(self.data).__name__}")
        if self.data.ndim != 4:
            raise ValueError(
                f"{name} needs a tensor (channel, slice, row, column), got {tuple(self.data.shape)}"
            )
        if self.data.dtype in _HALF_SUPPORTED:
            raise TypeError(
                f"{name}: torch cannot compare or fill {self.data.dtype}; convert to a signed type "
                "that holds the values, such as torch.int32"
            )
        if tuple(self.data.shape[1:]) != self.grid.shape:
            raise ValueError(
                f"{name}: tensor {tuple(self.data.shape)} does not fit its grid {self.grid.shape}"
            )

    def __repr__(self) -> str:
        kind = str(self.data.dtype).removeprefix("torch.")
        return f"{type(self).__name__}({self.data.shape[0]} × {self.grid}, {kind})"


@dataclass(frozen=True, eq=False, repr=False)
class Volume(Gridded):
    """An image whose modality is not known, or not one of those below.

    Args:
        data: (channel, slice, row, column), any real dtype.
        grid: where its voxels are.
        background: the value of empty space, used wherever a transform must fill. Intensity
            transforms map it along with the voxels. Left out: the kind's own.
        units: what the numbers are; ``"1"`` once they have been normalised. Left out: the
            kind's own.

    Example:
        >>> from medlib.space import Grid
        >>> MRVolume(torch.zeros(1, 2, 3, 4), Grid.from_axes((2, 3, 4)))
        MRVolume(1 × 2×3×4 voxels of 1×1×1 mm, SPL, float32)
    """

    background: float = nan
    units: str = ""

    default_background: ClassVar[float] = 0.0
    default_units: ClassVar[str] = "arbitrary"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isnan(self.background):
            object.__setattr__(self, "background", self.default_background)
        if not self.units:
            object.__setattr__(self, "units", self.default_units)


class CTVolume(Volume):
    """Computed tomography, in Hounsfield units; empty space is air, -1000 HU."""

    default_background = -1000.0
    default_units = "HU"


class MRVolume(Volume):
    """Magnetic resonance, in arbitrary units; empty space is 0."""


class PETVolume(Volume):
    """Positron emission tomography, in standardised uptake values by body weight (g/ml)."""

    default_units = "SUVbw"


@dataclass(frozen=True, eq=False, repr=False)
class Mask(Gridded):
    """Structures outlined voxel by voxel.

    Args:
        data: (layer, slice, row, column), integers: 0 is background, any other number a label's
            id. One layer holds structures that do not overlap; structures that do (a tumour in a
            liver) lie in different layers. An id means the same in every layer.
        grid: where its voxels are.
        labels: the table of ids.

    Raises:
        ValueError: when the tensor is not of integers. Ids outside the table are looked for by
            :meth:`unknown_ids`, which reads every voxel and so is called where masks enter.
    """

    labels: Labels = field(default_factory=lambda: Labels(()))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.is_floating_point() or self.data.is_complex():
            raise ValueError(f"a mask holds integers, not {self.data.dtype}")

    def unknown_ids(self) -> list[int]:
        """Ids in the tensor that the label table does not know."""
        return sorted(set(self.present_ids()) - set(self.labels.ids))

    def present_ids(self) -> list[int]:
        """Ids, other than 0, that occur in the tensor."""
        if self.data.numel() == 0:
            return []
        flat = self.data.reshape(-1)
        if flat.dtype == torch.bool:
            return [1] if bool(flat.any()) else []
        if int(flat.min()) < 0 or int(flat.max()) > 65535:
            return [int(i) for i in torch.unique(flat) if i != 0]
        return [int(i) for i in torch.bincount(flat).nonzero().flatten() if i != 0]

    def structure(self, name: str) -> Tensor:
        """Where the structure of this name is: (slice, row, column), bool."""
        return (self.data == self.labels[name].id).any(0)

    def volume_ml(self, name: str) -> float:
        """Volume in millilitres of the structure of this name."""
        return int(self.structure(name).sum()) * self.grid.voxel_ml

    @property
    def overlaps(self) -> bool:
        """Whether structures may overlap (there is more than one layer)."""
        return self.data.shape[0] > 1


@dataclass(frozen=True, eq=False, repr=False)
class Probabilities(Gridded):
    """How sure a model is of each structure.

    Args:
        data: (1 + labels, slice, row, column), floating point; channel 0 is background, the
            others the labels in the table's order.
        grid: where its voxels are.
        labels: the table.

    Raises:
        ValueError: when the tensor is not floating point, or has another number of channels.
    """

    labels: Labels = field(default_factory=lambda: Labels(()))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.data.is_floating_point():
            raise ValueError(f"probabilities are floating point, not {self.data.dtype}")
        if self.data.shape[0] != len(self.labels) + 1:
            raise ValueError(
                f"probabilities of {len(self.labels)} labels need {len(self.labels) + 1} channels "
                f"(background first), got {self.data.shape[0]}"
            )


@dataclass(frozen=True, eq=False)
class Points(Kind):
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
        coordinates = np.array(self.coordinates, dtype=np.float64)
        if coordinates.size == 0:
            coordinates = coordinates.reshape(0, 3)
        if coordinates.ndim != 2 or coordinates.shape[1] != 3:
            raise ValueError(f"points need coordinates (n, 3), got {coordinates.shape}")
        if not np.isfinite(coordinates).all():
            raise ValueError("points need finite coordinates; leave out those that are not known")
        if self.names and len(self.names) != len(coordinates):
            raise ValueError(f"{len(coordinates)} points cannot have {len(self.names)} names")
        coordinates.setflags(write=False)
        object.__setattr__(self, "coordinates", coordinates)


@dataclass(frozen=True)
class Category(Kind):
    """One answer out of a fixed vocabulary.

    Example:
        >>> Category("benign", ("benign", "malignant")).index
        0
    """

    name: str
    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.name not in self.vocabulary:
            raise ValueError(f"{self.name!r} is not one of {', '.join(self.vocabulary)}")

    @property
    def index(self) -> int:
        """Its place in the vocabulary."""
        return self.vocabulary.index(self.name)


# What people type for a kind of scan, and what files call it.
SCAN_KINDS: Mapping[str, type[Volume]] = MappingProxyType(
    {"ct": CTVolume, "mr": MRVolume, "pet": PETVolume}
)
