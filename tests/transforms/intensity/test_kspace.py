"""Ghosts, spikes and movement, against numpy's Fourier transform of the whole scan."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import itk_resampled

from medlib.space import Affine, Grid
from medlib.transforms import (
    AddGhosts,
    AddWaves,
    Ghosting,
    Item,
    MixMoved,
    Motion,
    Pipeline,
    Spikes,
    apply,
    undo,
)
from medlib.types import MRVolume


def scan_of(shape=(12, 15, 16), channels=1, spacing=(2.0, 1.0, 1.0)):
    draw = torch.Generator().manual_seed(0)
    grid = Grid.from_axes(shape, spacing=spacing)
    return MRVolume(torch.rand(channels, *shape, generator=draw), grid)


def done(recipe, scan, **how):
    return Pipeline((recipe,))(Item((scan,)), **how)


def spectrum_of(data):
    """Centred, as k-space is drawn."""
    return np.fft.fftshift(np.fft.fftn(np.asarray(data, dtype=float)))


def image_of(spectrum):
    return np.fft.ifftn(np.fft.ifftshift(spectrum)).real


def lines(axis, n):
    """The frequency of each line of a centred k-space, to be multiplied along an axis."""
    return (np.arange(n) - n // 2).reshape([-1 if k == axis else 1 for k in range(3)])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ghosts_are_weak_lines_of_k_space(axis):
    scan = scan_of()
    out = apply(AddGhosts(axis, 3, 0.6, restore=0.2), scan).data[0]
    n = scan.grid.shape[axis]
    often = np.abs(lines(axis, n))
    weak = (often % 3 == 0) & (often > 0.2 * n / 2)
    wanted = image_of(spectrum_of(scan.data[0]) * np.where(weak, 0.4, 1.0))
    np.testing.assert_allclose(out, wanted, atol=1e-6)


def test_ghosts_lie_where_they_should():
    """A bright line has its copies a third of the field of view away."""
    data = torch.zeros(1, 1, 60, 1)
    data[:, :, 10] = 1
    scan = MRVolume(data, Grid.from_axes((1, 60, 1)))
    out = apply(AddGhosts(1, 3, 0.9, restore=0.0), scan).data.flatten()
    others = out.abs().clone()
    others[[10, 30, 50]] = 0
    assert out[[30, 50]].abs().min() > 5 * others.max()


@given(
    st.integers(0, 2), st.integers(2, 9), st.floats(0, 0.95),
    st.lists(st.integers(1, 17), min_size=3, max_size=3),
)  # fmt: skip
def test_ghosts_are_taken_away_again(axis, ghosts, intensity, shape):
    scan = scan_of(tuple(shape))
    step = AddGhosts(axis, ghosts, intensity)
    assert torch.allclose(undo(step, apply(step, scan)).data, scan.data, atol=1e-4)


def test_what_is_level_has_no_ghosts():
    scan = MRVolume(torch.full((1, 8, 9, 10), -3.0), Grid.from_axes((8, 9, 10)), background=-3.0)
    assert torch.allclose(done(Ghosting(), scan).values[0].data, scan.data, atol=1e-5)


def test_a_spike_is_one_point_of_k_space():
    scan = scan_of(channels=2)
    step = AddWaves(((0.5, 0.3, 2.0, -3.0, 5.0),))
    out = apply(step, scan)
    for before, after in zip(scan.data, out.data, strict=True):
        change = spectrum_of(after) - spectrum_of(before)
        middle = [n // 2 for n in scan.grid.shape]
        point = tuple(m + k for m, k in zip(middle, (2, -3, 5), strict=True))
        other = tuple(m - k for m, k in zip(middle, (2, -3, 5), strict=True))
        half = 0.5 / 2 * scan.data[0].numel()
        assert change[point] == pytest.approx(half * np.exp(0.3j), rel=1e-4)
        assert change[other] == pytest.approx(half * np.exp(-0.3j), rel=1e-4)
        change[point] = change[other] = 0
        assert np.abs(change).max() < 1e-3 * half
    assert torch.allclose(undo(step, out).data, scan.data, atol=1e-6)


def test_a_spike_is_as_bright_as_the_middle_of_k_space():
    scan = scan_of()
    (step,) = done(Spikes(3, 2.0), scan).trail.steps
    assert len(step.waves) == 3
    mean = float(scan.data.mean())
    assert all(0 < wave[0] <= 2 * mean for wave in step.waves)
    shown = [[round(w[k + 2]) for w in step.waves] for k in range(3)]
    assert all(abs(k) <= n // 2 for ks, n in zip(shown, scan.grid.shape, strict=True) for k in ks)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_movement_mixes_lines_of_k_space(axis):
    """As a scanner does: each stretch of lines from another pose, moved by ITK."""
    scan = scan_of()
    first = Affine.linear(Affine.rotation((4, -3, 5)).matrix[:3, :3], centre=scan.grid.centre)
    second = Affine.translation((1.5, -2.0, 0.5)) @ first
    step = MixMoved(axis, (0.3, 0.8), (first, second))
    n = scan.grid.shape[axis]
    place = np.arange(n).reshape([-1 if k == axis else 1 for k in range(3)])
    poses = [
        itk_resampled(scan.data[0], scan.grid, scan.grid, going=pose).numpy()
        for pose in (first, second)
    ]
    early, late = place < round(0.3 * n), place >= round(0.8 * n)
    spectrum = spectrum_of(scan.data[0])
    spectrum = np.where(early, spectrum_of(poses[0]), spectrum)
    spectrum = np.where(late, spectrum_of(poses[1]), spectrum)
    np.testing.assert_allclose(apply(step, scan).data[0], image_of(spectrum), atol=2e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_the_scan_stays_where_its_mask_is(times):
    """Whenever he moved: a patient who was only shifted far away leaves the mean where it is."""
    scan = scan_of((8, 9, 10))
    away = Affine.translation((500.0, 0.0, 0.0))
    out = apply(MixMoved(1, tuple(sorted(times)), (away,) * len(times)), scan).data
    assert float(out.mean()) == pytest.approx(float(scan.data.mean()), rel=1e-4)


def test_a_patient_who_comes_back_at_once_has_not_moved():
    scan = scan_of()
    still = MixMoved(0, (0.2, 0.7), (Affine.identity(), Affine.identity()))
    assert torch.allclose(apply(still, scan).data, scan.data, atol=1e-6)


def test_movements_of_one_slice_stay_in_its_plane():
    scan = scan_of((1, 20, 22))
    (step,) = done(Motion(3, 10, 5), scan).trail.steps
    for pose in step.poses:
        assert pose.matrix[2, :3] == pytest.approx([0, 0, 1])
        assert pose.matrix[2, 3] == pytest.approx(0)
    assert step.axis in {1, 2}


@pytest.mark.parametrize("recipe", [Motion(), Ghosting()], ids=repr)
def test_a_single_voxel_has_no_lines(recipe):
    scan = scan_of((1, 1, 1))
    assert done(recipe, scan).values[0] is scan


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Ghosting(5, 4), "must not be above"),
        (lambda: Ghosting(1), "two at least"),
        (lambda: Ghosting(up_to=1.0), "below 1"),
        (lambda: AddGhosts(3, 2, 0.1), "axis 0, 1 or 2"),
        (lambda: Spikes(0), "one at least"),
        (lambda: Spikes(1, -1), "at least 0"),
        (lambda: Motion(0), "once at least"),
        (lambda: Motion(1, -5), "at least 0"),
        (lambda: MixMoved(0, (0.7, 0.2), (Affine.identity(),) * 2), "must rise"),
        (lambda: MixMoved(0, (0.7,), ()), "as many poses"),
        (lambda: MixMoved(3, (0.7,), (Affine.identity(),)), "axis from 0 to 2"),
    ],
)
def test_numbers_that_make_no_sense(made, words):
    with pytest.raises(ValueError, match=words):
        made()
