"""Sharpness, against scipy's filters and numpy's Fourier transform."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from medlib.space import Grid
from medlib.transforms import (
    Blur,
    GaussianBlur,
    Gibbs,
    LoseResolution,
    LowResolution,
    Sharpen,
    TruncateKSpace,
    UnsharpMask,
    apply,
)
from medlib.transforms.intensity import separable
from medlib.transforms.intensity.separable import (
    coarsened,
    filtered,
    frequencies,
    gaussian,
    multiplied,
)
from medlib.types import MRVolume


def scan_of(shape, spacing=(1.0, 1.0, 1.0), channels=1):
    draw = torch.Generator().manual_seed(0)
    grid = Grid.from_axes(shape, spacing=spacing)
    return MRVolume(torch.rand(channels, *shape, generator=draw), grid)


# Shorter than the kernel, odd, and longer than a block of rows.
@pytest.mark.parametrize("shape", [(3, 5, 40), (70, 33, 2), (1, 20, 20)], ids=str)
@pytest.mark.parametrize("sigma", [0.4, 1.3, 4.0])
def test_blur_is_scipy_s_in_millimetres(shape, sigma):
    spacing = (2.5, 1.0, 0.7)
    scan = scan_of(shape, spacing)
    out = apply(GaussianBlur(sigma), scan).data
    voxels = [sigma / mm for mm in spacing]
    wanted = ndimage.gaussian_filter(scan.data[0].double().numpy(), voxels, mode="reflect")
    np.testing.assert_allclose(out[0], wanted, atol=2e-6)


@given(st.integers(1, 40), st.floats(0.1, 20))
def test_a_gaussian_keeps_what_is_level(size, sigma):
    matrix = gaussian(size, sigma)
    if matrix is not None:
        np.testing.assert_allclose(matrix.sum(1), 1)
        np.testing.assert_allclose(matrix.sum(0), 1)  # mirrored ends lose no brightness
        assert (matrix >= 0).all()


def test_sharpening_adds_what_a_blur_takes():
    scan = scan_of((12, 20, 18))
    blurred = ndimage.gaussian_filter(scan.data[0].double().numpy(), 1.5)
    out = apply(UnsharpMask(1.5, 0.8), scan).data[0]
    wanted = scan.data[0].numpy() + 0.8 * (scan.data[0].numpy() - blurred)
    np.testing.assert_allclose(out, wanted, atol=3e-6)


def test_larger_voxels_are_means_of_smaller_ones():
    """Thick slices: partial volume, then straight lines from one to the next."""
    scan = scan_of((12, 6, 7))
    out = apply(LoseResolution((0.25, 1.0, 1.0)), scan).data
    means = scan.data.view(1, 3, 4, 6, 7).mean(2)
    lines = torch.nn.functional.interpolate(
        means[None], size=(12, 6, 7), mode="trilinear", align_corners=False
    )[0]
    assert torch.allclose(out, lines, atol=1e-6)


@given(st.integers(1, 50), st.data())
def test_cells_share_voxels_as_they_overlap(size, data):
    count = data.draw(st.integers(1, size))
    matrix = coarsened(size, count)
    assert (matrix is None) == (count == size)
    if matrix is not None:
        fine = np.repeat(np.eye(size), count, axis=0).reshape(count, size, size).mean(1)
        middles = (np.arange(count) + 0.5) * size / count
        lines = [np.interp(np.arange(size) + 0.5, middles, cells) for cells in fine.T]
        np.testing.assert_allclose(matrix.T, lines, atol=1e-12)


@given(st.lists(st.integers(1, 20), min_size=3, max_size=3), st.floats(0.05, 1))
def test_a_coarser_scan_drifts_to_no_side(shape, zoom):
    """A mask still fits: what lies about the middle lies about the middle afterwards."""
    grid = Grid.from_axes(shape)
    level = MRVolume(torch.full((1, *shape), 7.0), grid)
    step = LoseResolution((zoom, zoom, zoom))
    assert torch.allclose(apply(step, level).data, level.data, atol=1e-5)
    for axis in range(1, 4):
        places = torch.arange(shape[axis - 1], dtype=torch.float32)
        ramp = places.view([-1 if k == axis else 1 for k in range(4)]).expand(1, *shape)
        out = apply(step, MRVolume(ramp.clone(), grid)).data
        assert torch.allclose(out + out.flip(axis), places[-1], atol=1e-4)


@pytest.mark.parametrize("shape", [(16, 15, 9), (1, 12, 10)], ids=str)
def test_truncated_k_space_is_numpy_s(shape):
    scan = scan_of(shape)
    kept = (0.5, 0.7, 1.0)
    spectrum = np.fft.fftn(scan.data[0].double().numpy())
    for axis, share in enumerate(kept):
        if shape[axis] > 1:
            lines = np.abs(np.fft.fftfreq(shape[axis], 1 / shape[axis]))
            outside = lines > share * (shape[axis] // 2)
            spectrum = np.where(
                outside.reshape([-1 if k == axis else 1 for k in range(3)]), 0, spectrum
            )
    out = apply(TruncateKSpace(kept), scan).data[0]
    np.testing.assert_allclose(out, np.fft.ifftn(spectrum).real, atol=1e-6)


def test_an_edge_rings_by_nine_per_cent():
    """Gibbs and Wilbraham: an edge overshoots by 8.95 % of its height, however much is kept."""
    data = torch.zeros(1, 1, 1, 1024)
    data[..., 256:768] = 1
    scan = MRVolume(data, Grid.from_axes((1, 1, 1024)))
    out = apply(TruncateKSpace((1, 1, 0.1)), scan).data
    assert float(out.max()) == pytest.approx(1.0895, abs=0.005)


@given(
    st.lists(st.integers(1, 20), min_size=3, max_size=3),
    st.integers(1, 2),
    st.integers(0, 2),
    st.integers(1, 300),
)
def test_a_matrix_works_along_its_axis(shape, channels, axis, slab):
    """Whatever the slabs in which it is done."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(shape[axis], shape[axis]))
    matrix[rng.random(matrix.shape) < 0.7] = 0  # rows of nothing, too
    data = scan_of(tuple(shape), channels=channels).data
    matrices = [None, None, None]
    matrices[axis] = matrix
    wanted = np.moveaxis(np.tensordot(matrix, data.double().numpy(), (1, axis + 1)), 0, axis + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separable, "_SLAB", slab)
        out = multiplied(data, matrices)
    np.testing.assert_allclose(out, wanted, atol=1e-4)


def test_weights_of_one_are_no_filter():
    for size in (1, 2, 7, 8):
        data = scan_of((size, 3, 4)).data
        out = filtered(data, [np.ones_like(frequencies(size)), None, None])
        assert torch.allclose(out, data, atol=1e-6)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Blur(2, 1), "rise"),
        (lambda: Blur(-1, 1), "at least 0"),
        (lambda: Sharpen(-1), "at least 0"),
        (lambda: Sharpen(1, 0), "positive width"),
        (lambda: LowResolution(0), "above 0"),
        (lambda: LowResolution((0.5, 0.5, 1.5)), "at most 1"),
        (lambda: Gibbs(0), "above 0"),
    ],
)
def test_numbers_that_make_no_sense(made, words):
    with pytest.raises(ValueError, match=words):
        made()
