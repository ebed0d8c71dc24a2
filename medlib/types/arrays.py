"""Values as plain numpy arrays, for whatever else there is to do with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medlib.types.answers import Belief, Categories, Category, Measurement
from medlib.types.dispatch import verb
from medlib.types.gridded import Gridded, Kind, MultiVolume
from medlib.types.shapes import Boxes, Contours, PointCloud, Points

Array = npt.NDArray[Any]


@verb
def to_numpy(value: Kind) -> Array:
    """What a value holds, as a numpy array, without where it is or what it is called.

    ===========================  ===============================================================
    volumes, masks,              (channel, slice, row, column), the tensor's own type; bfloat16,
    probabilities                which numpy has not, as float32
    several volumes              (channel, slice, row, column), float32, part after part
    points, clouds, contours     (n, 3), LPS millimetres, float64
    boxes                        (n, 8, 3), LPS millimetres, float64
    a category                   (), int64: its place in the vocabulary
    categories                   (n,), bool: one for each word of the vocabulary; those of which
                                 something is unknown are refused
    a measurement                (), float64, in its own unit
    ===========================  ===============================================================

    Arrays are read-only, for they may share the value's memory: take a ``.copy()`` to change one.

    Example:
        >>> to_numpy(Categories(("effusion",), ("effusion", "nodule")))
        array([ True, False])
    """
    raise AssertionError


@to_numpy.register
def _(value: Gridded | MultiVolume) -> Array:
    return _shared(value.data)


@to_numpy.register
def _(value: Points | PointCloud | Contours) -> Array:
    return value.coordinates


@to_numpy.register
def _(value: Boxes) -> Array:
    return value.corners


@to_numpy.register
def _(value: Category) -> Array:
    return _fixed(np.array(value.index, dtype=np.int64))


@to_numpy.register
def _(value: Belief) -> Array:
    return _fixed(np.array(value.shares))


@to_numpy.register
def _(value: Categories) -> Array:
    return _shared(value.vector)


@to_numpy.register
def _(value: Measurement) -> Array:
    return _fixed(np.array(value.value, dtype=np.float64))


def _shared(data: Tensor) -> Array:
    plain = data.detach().cpu()
    return _fixed((plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())


def _fixed(array: Array) -> Array:
    array.setflags(write=False)
    return array
