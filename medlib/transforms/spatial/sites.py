"""Where in the patient there is something to be learned, for each kind of value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray
from medlib.types import Boxes, Kind, Mask, verb


@dataclass(frozen=True)
class Site:
    """Places of one structure, or of findings of one label.

    Args:
        marks: (n, 3), such as indices of voxels.
        place: from some of the marks to LPS millimetres, so that not all need be taken there.
    """

    marks: npt.NDArray[np.generic]
    place: Callable[[npt.NDArray[np.generic]], FloatArray]


@verb
def sites(value: Kind) -> tuple[Site, ...]:
    """Where a value has something that patches should be centred on: one site a label.

    Of masks, voxels of each structure; of boxes, the middles of each label's. Other kinds have
    none, until an implementation is registered for them.
    """
    raise AssertionError


@sites.register
def _(value: Kind) -> tuple[Site, ...]:
    return ()


@sites.register
def _(value: Mask) -> tuple[Site, ...]:
    return tuple(Site(found, value.grid.to_patient) for found in value.sites.values())


@sites.register
def _(value: Boxes) -> tuple[Site, ...]:
    labels = np.array(value.ids or (0,) * len(value))
    middles = value.centres
    return tuple(Site(middles[labels == label], _as_it_is) for label in dict.fromkeys(labels))


def _as_it_is(marks: npt.NDArray[np.generic]) -> FloatArray:
    return marks.astype(np.float64)
