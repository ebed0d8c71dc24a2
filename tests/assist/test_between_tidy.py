"""Filling between slices and tidying: what was drawn stays, nothing is invented, sides are kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import itk_image, oracle
from strategies import grids

from medlib.assist import fill_between, fill_holes, keep_largest, remove_islands, smooth
from medlib.space import Grid
from medlib.transforms import Move, resample
from medlib.types import Labels, Mask

TABLE = Labels.of(["liver", "spleen", "cyst"], ignored=9)


def blobs(grid: Grid, seed: int) -> Mask:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(4, *grid.shape))
    heights = [gaussian_filter(n, 1.2) * (1 + k * 0.2) for k, n in enumerate(noise)]
    return Mask(torch.from_numpy(np.argmax(heights, 0).astype(np.uint8))[None], grid, TABLE)


def turned(mask: Mask, orientation: str) -> Mask:
    return resample(mask, Move(mask.grid, mask.grid.reoriented(orientation)))


@st.composite
def drawn_masks(draw):
    grid = draw(grids(sides=(4, 9)))
    return blobs(grid, draw(st.integers(0, 99)))


ORIENTATIONS = st.sampled_from(["SPL", "LAS", "IRP", "ASR", "PLI"])


@given(drawn_masks(), st.integers(0, 2), st.integers(2, 4))
def test_drawn_slices_are_kept_and_no_label_is_invented(mask, axis, step):
    drawn = list(range(0, mask.grid.shape[axis], step))
    filled = fill_between(mask, axis=axis, drawn=drawn) if len(drawn) > 1 else mask
    for number in drawn:
        assert torch.equal(filled.data.select(axis + 1, number), mask.data.select(axis + 1, number))
    assert set(filled.present_ids()) <= set(mask.present_ids())
    assert (filled.grid, filled.labels) == (mask.grid, mask.labels)


@given(drawn_masks(), ORIENTATIONS)
@settings(max_examples=30)
def test_filling_is_the_same_however_the_scan_is_stored(mask, orientation):
    other = turned(mask, orientation)
    axis = next(
        k for k in range(3)
        if abs(other.grid.directions[:, k] @ mask.grid.directions[:, 0]) > 1 - 1e-9
    )  # fmt: skip
    flipped = other.grid.directions[:, axis] @ mask.grid.directions[:, 0] < 0
    last = mask.grid.shape[0] - 1
    there = [last, 0] if flipped else [0, last]
    filled = fill_between(mask, drawn=[0, last])
    again = fill_between(other, axis=axis, drawn=there)
    assert torch.equal(turned(filled, orientation).data, again.data)


def test_between_equal_discs_lies_the_same_disc_and_an_oblique_vessel_stays_as_wide():
    y, x = np.indices((40, 40))
    voxels = np.zeros((5, 40, 40), np.uint8)
    voxels[0][(y - 12) ** 2 + (x - 20) ** 2 <= 36] = 1
    voxels[4][(y - 28) ** 2 + (x - 20) ** 2 <= 36] = 1  # they do not touch
    grid = Grid.from_axes(voxels.shape, spacing=(4, 1, 1))
    filled = fill_between(Mask(torch.from_numpy(voxels)[None], grid, Labels.of(["vessel"])))
    areas = filled.data[0].sum((1, 2)).tolist()
    assert areas == [areas[0]] * 5
    assert np.argwhere(filled.data[0, 2].numpy()).mean(0).tolist() == [20, 20]


def test_one_piece_becomes_two():
    voxels = torch.zeros(1, 5, 12, 24, dtype=torch.uint8)
    voxels[0, 0, 3:9, 3:21] = 1
    voxels[0, 4, 3:9, 3:9] = 1
    voxels[0, 4, 3:9, 15:21] = 1
    filled = fill_between(Mask(voxels, Grid.from_axes((5, 12, 24)), Labels.of(["liver"])))
    assert filled.data[0, 1:4, 4:8, 5:8].all()
    assert filled.data[0, 1:4, 4:8, 16:19].all()


def test_concentric_shapes_are_filled_as_by_itks_distance_maps():
    sitk = oracle("SimpleITK")
    y, x = np.indices((31, 31))
    rows, columns = (y - 15) * 0.8, (x - 15) * 1.7
    first = rows**2 + columns**2 <= 9**2
    last = (np.abs(rows) <= 5) & (np.abs(columns) <= 11)
    voxels = np.zeros((6, 31, 31), np.uint8)
    voxels[0], voxels[5] = first, last
    grid = Grid.from_axes(voxels.shape, spacing=(3, 0.8, 1.7))
    filled = fill_between(Mask(torch.from_numpy(voxels)[None], grid, Labels.of(["liver"])))

    def away(inside):
        image = sitk.GetImageFromArray(inside.astype(np.uint8))
        image.SetSpacing((1.7, 0.8))
        return sitk.GetArrayFromImage(
            sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
        )

    # An outline runs between voxels; ITK's zero is at the centres of the outermost.
    depths = [np.where(s, away(~s) - 0.4, 0.4 - away(s)) for s in (first, last)]
    for number in range(1, 5):
        t = number / 5
        expected = (1 - t) * depths[0] + t * depths[1] > 1e-3
        assert np.array_equal(filled.data[0, number].numpy() == 1, expected)


def test_filling_spares_other_structures_and_says_what_is_wrong():
    mask = blobs(Grid.from_axes((7, 9, 9)), 3)
    filled = fill_between(mask, names=["liver"], drawn=[0, 6])
    assert torch.equal(filled.data == 2, mask.data == 2)
    with pytest.raises(ValueError, match="slice 7 cannot"):
        fill_between(mask, drawn=[0, 7])
    with pytest.raises(ValueError, match="axes 0, 1 and 2"):
        fill_between(mask, axis=3)
    with pytest.raises(ValueError, match="two must be drawn"):
        fill_between(mask, drawn=[3])
    with pytest.raises(ValueError, match="holds the ids 7"):
        fill_between(replace(mask, data=mask.data.where(mask.data != 1, 7)), drawn=[0, 6])


def test_slices_nobody_looked_at_are_filled_and_those_beyond_stay_unknown():
    voxels = torch.full((1, 7, 8, 8), 9, dtype=torch.uint8)
    for number in (1, 4):
        voxels[0, number] = 0
        voxels[0, number, 2:6, 2:6] = 1
    filled = fill_between(Mask(voxels, Grid.from_axes((7, 8, 8)), TABLE))
    assert (filled.data[0, [0, 5, 6]] == 9).all()
    assert torch.equal(filled.data[0, 2], voxels[0, 1])


TIDY = {
    "smooth": lambda mask: smooth(mask, 3.0, ["liver"]),
    "keep largest": lambda mask: keep_largest(mask, ["liver"]),
    "fill holes": lambda mask: fill_holes(mask, ["liver"]),
    "islands": lambda mask: remove_islands(mask, 0.02, ["liver"]),
}


@pytest.mark.parametrize("tool", TIDY)
@given(mask=drawn_masks(), orientation=ORIENTATIONS)
@settings(max_examples=20)
def test_tidying_spares_the_others_and_does_not_mind_how_a_scan_is_stored(tool, mask, orientation):
    before = mask.data.clone()
    tidied = TIDY[tool](mask)
    assert torch.equal(mask.data, before), "undoing is to take the old one"
    assert torch.equal((tidied.data > 1), (mask.data > 1))
    again = TIDY[tool](turned(mask, orientation))
    assert torch.equal(turned(tidied, orientation).data, again.data)


def test_pieces_are_those_of_itk():
    sitk = oracle("SimpleITK")
    mask = blobs(Grid.from_axes((12, 14, 16), spacing=(3, 1, 1)), 5)
    liver = (mask.data[0] == 1).to(torch.uint8)
    pieces = sitk.ConnectedComponent(itk_image(liver, mask.grid), True)
    pieces = sitk.GetArrayFromImage(sitk.RelabelComponent(pieces, sortByObjectSize=True))
    kept = keep_largest(mask, ["liver"]).structure("liver").numpy()
    assert np.array_equal(kept, pieces == 1)
    sizes = np.bincount(pieces.ravel())[1:]
    large = np.isin(pieces, 1 + np.flatnonzero(sizes * mask.grid.voxel_ml >= 0.1))
    found = remove_islands(mask, 0.1, ["liver"]).structure("liver").numpy()
    assert np.array_equal(found, large)


def test_a_hole_is_filled_and_what_lies_in_it_stays():
    voxels = torch.zeros(1, 7, 7, 7, dtype=torch.uint8)
    voxels[0, 1:6, 1:6, 1:6] = 1
    voxels[0, 3, 3, 2:4] = 0
    voxels[0, 3, 3, 4] = 3
    filled = fill_holes(Mask(voxels, Grid.from_axes((7, 7, 7)), TABLE), ["liver"])
    assert filled.data[0, 3, 3, 2:5].tolist() == [1, 1, 3]


def test_smoothing_loses_no_structure():
    voxels = torch.zeros(1, 9, 9, 9, dtype=torch.uint8)
    voxels[0, 4, 4, 4] = 2
    speck = Mask(voxels, Grid.from_axes((9, 9, 9)), TABLE)
    assert torch.equal(smooth(speck, 6).data, voxels)
