import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import affines, grids, millimetres

from medlib.space import Grid
from medlib.types import Boxes, Contours, Labels, Mask, PointCloud, Points

ORGANS = Labels.of({3: "liver", 7: "spleen"})
SQUARE = np.array([[0, 0, 5], [10, 0, 5], [10, 10, 5], [0, 10, 5.0]])
KINDS = [
    Points([[1, 2, 3]], ("a",)),
    PointCloud([[1, 2, 3], [4, 5, 6]], torch.rand(2, 4)),
    Boxes.between([[0, 0, 0]], [[1, 2, 3]], ids=(3,), scores=(0.5,), labels=ORGANS),
    Contours(SQUARE, (4,), (7,), ORGANS),
]
named = pytest.mark.parametrize("value", KINDS, ids=lambda v: type(v).__name__)


def array_of(value):
    return value.corners if isinstance(value, Boxes) else value.coordinates


@named
@pytest.mark.parametrize(
    "again", [lambda v: pickle.loads(pickle.dumps(v)), copy.copy, copy.deepcopy, replace]
)
def test_what_is_known_survives_and_stays_fixed(value, again):
    """A pickled array of numpy's is writeable again: workers of a data loader could change it."""
    other = again(value)
    assert type(other) is type(value)
    assert np.array_equal(array_of(other), array_of(value))
    for name in {"names", "ids", "scores", "labels", "lengths"} & set(vars(value)):
        assert getattr(other, name) == getattr(value, name)
    for each in (value, other):
        with pytest.raises(ValueError, match="read-only"):
            array_of(each)[0, 0] = 1
        with pytest.raises(FrozenInstanceError):
            each.labels = None
    if isinstance(value, PointCloud):
        assert torch.equal(other.features, value.features)


def test_the_caller_s_array_is_not_ours():
    array = np.zeros((1, 3))
    points = Points(array)
    array[0, 0] = 9
    assert points.coordinates[0, 0] == 0


@dataclass(frozen=True, eq=False)
class Marks(Points):
    """Points of one's own make."""

    sizes: tuple[float, ...] = ()


def test_a_class_of_one_s_own_is_pickled_whole():
    again = pickle.loads(pickle.dumps(Marks([[0, 0, 0]], sizes=(2.0,))))
    assert type(again) is Marks
    assert again.sizes == (2.0,)


@pytest.mark.parametrize(
    "coordinates", [[1, 2, 3], np.zeros((3, 4)), np.zeros((2, 6)), np.zeros((1, 2, 3)),
                    np.zeros((0, 2))]
)  # fmt: skip
@pytest.mark.parametrize("kind", [Points, PointCloud, lambda c: Contours(c, (), ())])
def test_coordinates_are_not_reshaped_into_other_places(kind, coordinates):
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        kind(coordinates)


@pytest.mark.parametrize("kind", [Points, PointCloud, lambda c: Contours(c, (1,), (3,), ORGANS)])
def test_coordinates_are_finite(kind):
    with pytest.raises(ValueError, match="finite"):
        kind([[0, 0, float("nan")]])


def test_none_at_all():
    assert Points([]).coordinates.shape == (0, 3)
    assert PointCloud([]).coordinates.shape == (0, 3)
    assert Boxes([]).low.shape == (0, 3)
    assert Boxes([]).on(Grid.from_axes((2, 2, 2))).shape == (0, 2, 3)
    assert list(Contours([], (), ())) == []


def test_points_have_a_name_each_or_none():
    with pytest.raises(ValueError, match="1 points cannot have 2 names"):
        Points([[0, 0, 0]], names=("a", "b"))


@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 2, 2)])
def test_features_are_a_row_a_point(shape):
    with pytest.raises(ValueError, match=r"\(2, k\), got"):
        PointCloud(np.zeros((2, 3)), torch.zeros(shape))


# --- boxes ------------------------------------------------------------------------------------


@given(
    st.lists(millimetres, min_size=3, max_size=3),
    st.lists(st.floats(0, 99), min_size=3, max_size=3),
)
def test_boxes_between_ends(low, size):
    high = np.add(low, size)
    box = Boxes.between([low], [high])
    assert np.array_equal(box.low[0], low)
    assert np.array_equal(box.high[0], high)
    assert box.centres[0] == pytest.approx((np.array(low) + high) / 2)
    assert np.array_equal(box.corners[0, [0, 7]], [low, high])
    assert np.array_equal(box.corners[0, 4], [high[0], low[1], low[2]])  # the first axis first


@given(affines())
def test_a_box_that_is_mapped_and_back_is_the_box(a):
    box = Boxes.between([[0, 0, 0]], [[10, 20, 30]])
    there = replace(box, corners=a(box.corners))
    assert np.allclose(a.inverse(there.corners), box.corners)


@given(grids(sides=(2, 8)), st.data())
def test_boxes_around_structures_are_where_a_look_at_each_finds_them(grid, draw):
    rng = np.random.default_rng(draw.draw(st.integers(0, 99)))
    data = torch.from_numpy(rng.choice([0, 0, 0, 3, 7], (2, *grid.shape)))
    mask = Mask(data, grid, ORGANS)
    boxes = Boxes.around(mask)
    assert boxes.ids == tuple(mask.present_ids())
    assert boxes.labels == ORGANS
    for label_id, extent in zip(boxes.ids, boxes.on(grid), strict=True):
        places = np.argwhere((data == label_id).any(0).numpy())
        assert extent[0] == pytest.approx(places.min(0) - 0.5, abs=1e-6)
        assert extent[1] == pytest.approx(places.max(0) + 0.5, abs=1e-6)


def test_the_box_of_a_full_mask_has_the_corners_of_its_grid():
    grid = Grid.from_axes((2, 3, 4), spacing=(5, 2, 1)).reoriented("RAS")
    boxes = Boxes.around(Mask(torch.full((1, *grid.shape), 3), grid, ORGANS))
    assert np.allclose(boxes.corners[0], grid.corners())


def test_boxes_on_another_grid():
    grid = Grid.from_axes((10, 10, 10), spacing=(2, 1, 1), origin=(-5, 0, 0))
    low, high = Boxes.between([[0, 1, 2]], [[4, 5, 6]]).on(grid)[0]
    assert low.tolist() == [1, 1, 5]
    assert high.tolist() == [3, 5, 9]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Boxes(np.zeros((2, 3))), r"\(n, 8, 3\), got \(2, 3\)"),
        (lambda: Boxes(np.zeros((1, 8, 3)), ids=(3, 7), labels=ORGANS), "1 boxes cannot have 2 ids"),
        (lambda: Boxes(np.zeros((1, 8, 3)), scores=(1.0, 0.5)), "cannot have 2 scores"),
        (lambda: Boxes(np.zeros((1, 8, 3)), scores=(float("nan"),)), "finite"),
        (lambda: Boxes(np.zeros((1, 8, 3)), ids=(9,), labels=ORGANS), "ids 9, .*it has: 3, 7"),
        (lambda: Boxes(np.zeros((1, 8, 3)), ids=(1,)), "it has: none"),
        (lambda: Boxes.between([[0, 0, 0], [0, 5, 0]], [[1, 1, 1], [1, 1, 1]]), "box 1 ends at"),
        (lambda: Boxes.between([[0, 0, 0]], np.ones((2, 3))), "1 low ends do not fit 2"),
        (lambda: Boxes.around(Mask(torch.ones(1, 2, 2, 2).int(), Grid.from_axes((2, 2, 2)))),
         "ids 1, which"),
    ],
)  # fmt: skip
def test_boxes_that_are_none(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- contours ---------------------------------------------------------------------------------


def test_contours_come_one_by_one_with_their_labels():
    value = Contours(np.concatenate([SQUARE[:3], SQUARE]), (3, 4), (7, 3), ORGANS)
    (first, triangle), (second, square) = value
    assert (first.name, second.name) == ("spleen", "liver")
    assert np.array_equal(triangle, SQUARE[:3])
    assert np.array_equal(square, SQUARE)
    assert len(value) == 2


@pytest.mark.parametrize(
    ("lengths", "ids", "words"),
    [
        ((3,), (3,), "contours of 3 points in all cannot have 4"),
        ((4,), (3, 7), "1 polygons cannot have 2 ids"),
        ((4,), (9,), "ids 9"),
        ((3, 1), (3, 3), "polygon 1 has 1 points.*POINT"),
        ((4, 0), (3, 3), "polygon 1 has 0 points"),
    ],
)
def test_contours_that_are_none(lengths, ids, words):
    with pytest.raises(ValueError, match=words):
        Contours(SQUARE, lengths, ids, ORGANS)


@given(affines(), st.floats(0.5, 5))
def test_contours_are_planar_however_they_are_turned(a, bump):
    flat = Contours(a(SQUARE), (4,), (3,), ORGANS)
    assert flat.is_planar()
    bent = np.add(SQUARE, [[0, 0, bump], [0, 0, -bump], [0, 0, bump], [0, 0, -bump]])
    assert not Contours(bent, (4,), (3,), ORGANS).is_planar()
    assert Contours(bent, (4,), (3,), ORGANS).is_planar(tolerance_mm=bump + 1e-6)
