"""Synthetic anatomy: reproducible, complete, and measured rightly."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from medlib.models.pretraining import shapes
from medlib.models.pretraining.distances import distances
from medlib.models.pretraining.layout import Layout
from medlib.models.pretraining.solids import AIR, FAMILIES, TISSUE, Placed, Segment

SIZE = (32, 32, 32)


@pytest.fixture(scope="module")
def made():
    return [shapes(number, SIZE, seed=1) for number in range(6)]


def test_a_number_gives_the_same_volume_again(made):
    again = shapes(3, SIZE, seed=1)
    assert torch.equal(again.instance, made[3].instance)
    assert torch.equal(again.distance, made[3].distance)
    assert again.families == made[3].families


def test_other_numbers_and_seeds_give_other_volumes(made):
    assert not torch.equal(made[0].instance, made[1].instance)
    assert not torch.equal(shapes(0, SIZE, seed=2).instance, made[0].instance)


def test_threads_change_nothing(made):
    torch.set_num_threads(2)
    try:
        again = shapes(2, SIZE, seed=1)
    finally:
        torch.set_num_threads(1)
    differing = (again.instance != made[2].instance).float().mean()
    assert differing < 1e-3


def test_a_graphics_card_gives_the_same_volume(made, card):
    there = shapes(3, SIZE, seed=1, device=card)
    assert there.instance.device == there.distance.device == card
    assert (there.instance.cpu() != made[3].instance).float().mean() < 1e-3
    assert there.families == made[3].families


def test_every_family_appears():
    seen = Counter(
        family for number in range(12) for family in shapes(number, SIZE).family.unique().tolist()
    )
    assert set(seen) == set(range(len(FAMILIES)))


def test_most_structures_are_seen_and_their_families_are_theirs(made):
    for one in made:
        there = set(one.instance.unique().tolist()) - {AIR, TISSUE}
        drawn = len(one.families) - 2
        assert 15 <= drawn <= 40
        assert len(there) >= 0.6 * drawn
        assert all(one.families[k] > TISSUE for k in there)
        table = torch.tensor(one.families, dtype=torch.uint8)
        assert torch.equal(table[one.instance.long()], one.family)


def test_structures_lie_in_the_body():
    """Where the whole body is in the picture its border is air, and no structure touches it alone."""
    for number in range(20):
        one = shapes(number, SIZE)
        air = one.instance == AIR
        if air.float().mean() > 0.2:
            corners = air[:: SIZE[0] - 1, :: SIZE[1] - 1, :: SIZE[2] - 1]
            assert corners.all()
            return
    pytest.fail("no volume shows the whole body")


def test_a_nested_structure_lies_within_its_host():
    rng = np.random.default_rng(4)
    nested = 0
    for _ in range(8):
        layout = Layout.drawn((31, 31, 31), (15, 40), rng)
        nested += sum(part.within is not None for part in layout.parts)
    assert nested > 10
    # Painted by hand, voxel for voxel: what is nested may only replace its host.
    from medlib.models.pretraining.shapes import _paint
    from medlib.models.pretraining.solids import Ellipsoid

    points = torch.from_numpy(np.indices(SIZE).astype(np.float32))
    host = Placed(Ellipsoid(), 2, np.array([16.0] * 3), np.eye(3) * 6)
    guest = Placed(Ellipsoid(), 3, np.array([20.0, 16, 16]), np.eye(3) * 4, within=2)
    instance = torch.full(SIZE, TISSUE, dtype=torch.int16)
    _paint(instance, host, points, (1, 1, 1), 0.0)
    before = instance.clone()
    _paint(instance, guest, points, (1, 1, 1), 0.0)
    assert (instance == 3).any()
    assert (before[instance == 3] == 2).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 1.0, 1.0), (1.0, 2.5, 1.5)])
def test_distances_are_those_of_scipy(spacing):
    size = tuple(int(32 / step) for step in spacing)
    one = shapes(5, size, spacing=spacing, reach=5.5)
    labels = one.instance.numpy()
    expected = np.zeros(size)
    for label in np.unique(labels):
        inside = labels == label
        expected[inside] = distance_transform_edt(inside, sampling=spacing)[inside]
    expected = np.minimum(expected, 5.5)
    expected[one.family.numpy() > TISSUE] *= -1
    np.testing.assert_allclose(one.distance.numpy(), expected, atol=1e-5)


def test_distances_of_a_volume_without_borders_are_the_greatest():
    assert (distances(torch.zeros(4, 4, 4, dtype=torch.int16), (1, 1, 1), 3.0) == 3.0).all()


def test_thick_slices_show_the_same_anatomy_scale():
    """A ball in a volume of thick slices has as many millimetres along them as across."""
    one = shapes(2, (8, 32, 32), spacing=(4.0, 1.0, 1.0))
    assert one.grid.spacing == (4.0, 1.0, 1.0)
    points = one.instance == TISSUE
    assert points.any()
    with pytest.raises(ValueError, match="finest voxels"):
        shapes(2, (8, 8, 8), spacing=(2.0, 2.0, 2.0))


def test_no_warp_folds():
    for number in range(40):  # a fold is refused where it is made
        shapes(1000 + number, (16, 16, 16))


def test_solids_stay_within_their_boxes():
    """What stuck out would be cut off flat, where its box ends."""
    rng = np.random.default_rng(0)
    outside = torch.from_numpy(rng.uniform(-2, 2, (3, 4000)).astype(np.float32))
    outside = outside[:, outside.abs().amax(0) > 1.0001]
    for _ in range(6):
        for part in Layout.drawn((64, 64, 64), (30, 40), rng).parts:
            assert not part.solid.inside(outside).any(), part.solid


def test_a_tube_is_round_and_as_long_as_said():
    tube = Segment(half=0.5, start=0.5, end=0.25)
    axis = torch.tensor([[-1.0, 0, 0], [1.0, 0, 0], [0.76, 0, 0], [0, 0.374, 0], [0, 0, 0.376]]).T
    assert tube.inside(axis).tolist() == [True, False, False, True, False]
