import numpy as np
import pytest
import torch

from medlib.space import Grid
from medlib.types import (
    Boxes,
    Categories,
    Category,
    Contours,
    Labels,
    Mask,
    Measurement,
    MRVolume,
    MultiVolume,
    PointCloud,
    Points,
    Probabilities,
    to_numpy,
)

GRID = Grid.from_axes((2, 3, 4))
SCAN = MRVolume(torch.arange(24.0).reshape(1, 2, 3, 4), GRID)
PLACES = [[0.0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize(
    ("value", "expected", "dtype"),
    [
        (SCAN, np.arange(24).reshape(1, 2, 3, 4), np.float32),
        (Mask(SCAN.data.to(torch.uint8), GRID), np.arange(24).reshape(1, 2, 3, 4), np.uint8),
        (Probabilities(SCAN.data.half(), GRID), np.arange(24).reshape(1, 2, 3, 4), np.float16),
        (MultiVolume((SCAN, SCAN), ("a", "b")), [*SCAN.data.numpy()] * 2, np.float32),
        (Points(PLACES), PLACES, np.float64),
        (PointCloud(PLACES), PLACES, np.float64),
        (Contours(PLACES, (3,), (1,), Labels.of(["a"])), PLACES, np.float64),
        (Boxes.between([[0, 0, 0]], [[1, 1, 1]]), [np.indices((2, 2, 2)).reshape(3, 8).T], float),
        (Category("b", ("a", "b")), 1, np.int64),
        (Categories(("b",), ("a", "b")), [False, True], np.bool_),
        (Measurement(2.5, "mm"), 2.5, np.float64),
    ],
    ids=lambda v: type(v).__name__,
)
def test_every_kind(value, expected, dtype):
    array = to_numpy(value)
    assert array.dtype == dtype
    assert array.shape == np.shape(expected)
    assert np.array_equal(array, expected)
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    array.copy()[...] = 0


def test_what_numpy_has_no_type_for_and_what_is_being_learned():
    data = torch.ones(1, 2, 3, 4, dtype=torch.bfloat16)
    assert to_numpy(MRVolume(data, GRID)).dtype == np.float32
    assert to_numpy(MRVolume(torch.ones(1, 2, 3, 4, requires_grad=True), GRID)).all()
