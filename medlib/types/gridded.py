"""The kinds of scan: volumes of every modality, sampled on a grid.

All are frozen. To change one is to make another: ``dataclasses.replace(volume, data=…)``.
Tensors are (channel, slice, row, column); see :mod:`medlib.space` for coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isnan, nan
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from medlib.space.grid import Grid

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


def must_be_numbers(volume: Volume) -> None:
    """Refuse a scan some of whose voxels are no numbers (NaN, or infinite), as other software makes them.

    One is enough for a network to find nothing in the whole scan: once that has been normalised by
    its own mean, no voxel is a number. (Those of NIfTI files become background when they are read.)

    Raises:
        ValueError: saying how many, where the first one is, and what to do.

    Example:
        >>> from medlib.space import Grid
        >>> voxels = torch.zeros(1, 2, 3, 4)
        >>> voxels[0, 1, 0, 2] = nan
        >>> must_be_numbers(MRVolume(voxels, Grid.from_axes((2, 3, 4))))
        Traceback (most recent call last):
        ...
        ValueError: 1 of 24 voxels of the scan are no numbers, the first in slice 2, row 1, column 3;
        put a number in their place, such as 0 where there is no patient
    """
    data = volume.data
    if not data.is_floating_point() or not data.numel():
        return
    low, high = data.aminmax()  # reads once, and makes nothing as large as the scan
    if low > -inf and high < inf:
        return
    lost = (~data.isfinite()).nonzero()
    slice_, row, column = (lost[0, 1:] + 1).tolist()
    raise ValueError(
        f"{len(lost)} of {data.numel()} voxels of the scan are no numbers, the first in slice {slice_}, "
        f"row {row}, column {column}; put a number in their place, such as "
        f"{volume.background:g} where there is no patient"
    )


class CTVolume(Volume):
    """Computed tomography, in Hounsfield units; empty space is air, -1000 HU."""

    default_background = -1000.0
    default_units = "HU"


class MRVolume(Volume):
    """Magnetic resonance, in arbitrary units; empty space is 0."""


class PETVolume(Volume):
    """Positron emission tomography, in standardised uptake values by body weight (g/ml)."""

    default_units = "SUVbw"


class UltrasoundVolume(Volume):
    """Ultrasound (a 3-D sweep or a rebuilt freehand one), in arbitrary units; empty space is 0."""


class Radiograph(Volume):
    """A projection radiograph: one slice, (channel, 1, row, column); empty space is 0.

    Its grid lies in the detector's plane. Rows and columns run along the sides of the patient as
    far as these are known (DICOM's Patient Orientation, 0020,0020), so that left stays left in
    whatever is done to it; spatial transforms take it for a volume of one slice. Depth means
    nothing: a projection adds up what lies behind one another, so the slice's thickness and its
    place along the beam are conventions, a point has no depth, and a volume in millilitres has
    no sense. Millimetres are those of the detector unless whoever read the image corrected them
    for magnification.

    Raises:
        ValueError: when there is not exactly one slice.

    Example:
        >>> chest = Radiograph(torch.zeros(1, 1, 6, 8), Grid.from_axes((1, 6, 8)))
        >>> chest.grid.shape
        (1, 6, 8)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grid.shape[0] != 1:
            raise ValueError(
                f"a radiograph is one slice, (channel, 1, row, column), not {self.grid.shape[0]}; "
                "a stack of them is several radiographs, a tomosynthesis or a scan a Volume"
            )


@dataclass(frozen=True, eq=False)
class MultiVolume(Kind):
    """Several series of one patient on one grid, as one value: the sequences of an MR, a PET/CT.

    Each part keeps its own kind, units and background. Verbs map over the parts.

    Args:
        parts: the volumes, at least one.
        names: what each is called, in the same order, such as ``("T1", "FLAIR")``; unique.

    Raises:
        ValueError: without parts, with names that are not one each and unique, or with parts that
            lie on different grids.
        TypeError: for a part that is no volume.

    Example:
        >>> grid = Grid.from_axes((2, 3, 4))
        >>> t1, flair = (MRVolume(torch.zeros(1, 2, 3, 4), grid) for _ in range(2))
        >>> brain = MultiVolume((t1, flair), ("T1", "FLAIR"))
        >>> brain.data.shape, brain["T1"] is t1
        (torch.Size([2, 2, 3, 4]), True)
    """

    parts: tuple[Volume, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a multi-volume needs at least one part")
        for part in self.parts:
            if not isinstance(part, Volume):
                raise TypeError(f"a multi-volume is made of volumes, not {type(part).__name__}")
        if len(self.names) != len(self.parts) or len(set(self.names)) != len(self.names):
            raise ValueError(
                f"each of the {len(self.parts)} parts of a multi-volume needs a name of its own, "
                f"got {', '.join(map(repr, self.names)) or 'none'}"
            )
        first = self.parts[0].grid
        for name, part in zip(self.names, self.parts, strict=True):
            if not first.close_to(part.grid):
                raise ValueError(
                    f"{self.names[0]} and {name} lie on different grids: "
                    f"{first.difference(part.grid)}; resample one to the other first"
                )

    @property
    def grid(self) -> Grid:
        """The grid of all parts."""
        return self.parts[0].grid

    @property
    def data(self) -> Tensor:
        """The parts' channels one after another: (channel, slice, row, column), float32."""
        return torch.cat([part.data.to(torch.float32) for part in self.parts])

    def __getitem__(self, name: str) -> Volume:
        if name not in self.names:
            raise KeyError(f"no part is called {name!r}; there are: {', '.join(self.names)}")
        return self.parts[self.names.index(name)]


@dataclass(frozen=True, eq=False)
class Reference(Kind):
    """A scan that is to be learned, and not seen.

    It goes wherever the scans beside it go. What is done to what their voxels hold (normalising,
    noise) does not concern it: it stays in its own units, and as good as it was taken.

    Args:
        scan: a volume, or several on one grid.

    Example:
        >>> ct = CTVolume(torch.zeros(1, 2, 3, 4), Grid.from_axes((2, 3, 4)))
        >>> Reference(ct).grid == ct.grid
        True
    """

    scan: Volume | MultiVolume

    @property
    def grid(self) -> Grid:
        """Where its voxels are."""
        return self.scan.grid

    @property
    def data(self) -> Tensor:
        """Its voxels: (channel, slice, row, column)."""
        return self.scan.data


# What people type for a kind of scan, and what files call it.
SCAN_KINDS: Mapping[str, type[Volume]] = MappingProxyType(
    {"ct": CTVolume, "mr": MRVolume, "pet": PETVolume, "us": UltrasoundVolume, "xr": Radiograph}
)
