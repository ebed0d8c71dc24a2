"""Percentiles, landmarks and bounds, against numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medlib.space import Grid
from medlib.transforms import (
    Clip,
    HistogramStandardise,
    Item,
    Normalise,
    Percentiles,
    PiecewiseLinear,
    Pipeline,
    landmarks,
)
from medlib.transforms.intensity.normalising import DECILES
from medlib.transforms.intensity.ranks import percentiles
from medlib.types import CTVolume, MRVolume

GRID = Grid.from_axes((10, 12, 14))


def head(seed=0, scale=1.0):
    """Half of it air, as in an MR of a head."""
    draw = torch.Generator().manual_seed(seed)
    data = torch.randn(1, *GRID.shape, generator=draw).abs() * scale + 50 * scale
    data[:, :5] = 0
    return MRVolume(data, GRID)


def done(recipe, scan):
    return Pipeline((recipe,))(Item((scan,)))


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    st.lists(st.floats(0, 100), min_size=1, max_size=4),
)
def test_percentiles_are_numpy_s(values, ranks):
    found = percentiles(torch.tensor(values), ranks)
    wanted = np.percentile(np.array(values, dtype=np.float32).astype(float), ranks)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("outlier", [0.0, 3e4, 1e30, -1e38])
def test_percentiles_are_exact_beside_metal(outlier):
    values = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 100
    values[::7] = values[::7].round()  # many are the same
    values[5] = outlier
    found = percentiles(values, (0, 0.5, 1, 37.3, 50, 99.5, 100))
    wanted = np.percentile(values.double().numpy(), (0, 0.5, 1, 37.3, 50, 99.5, 100))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("air", [-1000.0, 0.0, 300.0])
@pytest.mark.parametrize("high", [1.0, 1e30])
def test_percentiles_are_exact_beside_much_air(air, high):
    values = torch.randn(200_000, generator=torch.Generator().manual_seed(0)) * 100
    values[:90_000] = air
    values[-1] *= high
    ranks = (0, 1, 10, 30, 44, 45, 46, 50, 90, 99, 100)
    wanted = np.percentile(values.double().numpy(), ranks)
    np.testing.assert_allclose(percentiles(values, ranks), wanted, rtol=1e-6)


def test_more_values_than_torch_s_quantile_takes():
    values = torch.arange(17_000_000, dtype=torch.float32).flip(0)
    # Beyond 2**24 float32 has even numbers only.
    assert percentiles(values, (50,)) == pytest.approx([8_499_999.5])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_percentiles_of_what_is_no_number(value):
    with pytest.raises(ValueError, match="not numbers"):
        percentiles(torch.tensor([1.0, value, 2.0]), (50,))


def test_two_percentiles_become_0_and_1():
    scan = head()
    out = done(Percentiles(60, 98), scan).values[0]
    low, high = np.percentile(scan.data.numpy(), (60, 98))
    wanted = ((scan.data - low) / (high - low)).clamp(0, 1)
    assert torch.allclose(out.data, wanted, atol=1e-5)
    assert out.background == 0


def test_air_is_not_counted_above_it():
    """However much air is around the head, the head looks the same."""
    scan = head()
    cropped = MRVolume(scan.data[:, 4:], Grid.from_axes((6, 12, 14)))
    for recipe in (
        Normalise(above=0.0),
        Percentiles(1, 99, above=0.0),
        HistogramStandardise(tuple(map(float, range(11))), above=0.0),
    ):
        whole, part = (done(recipe, s).values[0].data for s in (scan, cropped))
        assert torch.allclose(whole[:, 4:], part, atol=1e-5)
    inside = done(Normalise(above=0.0), scan).values[0].data[:, 5:]
    assert float(inside.mean()) == pytest.approx(0, abs=1e-5)
    assert float(inside.std(correction=0)) == pytest.approx(1, abs=1e-5)
    empty = MRVolume(torch.zeros(1, *GRID.shape), GRID)
    with pytest.raises(ValueError, match=r"no voxel of this MRVolume is above 0 \(arbitrary\)"):
        done(Normalise(above=0.0), empty)


@pytest.mark.parametrize(("offset", "deviation"), [(0, 1), (-1000, 400), (5e4, 20)])
def test_the_deviation_of_many_voxels_is_exact(offset, deviation):
    draw = torch.Generator().manual_seed(0)
    data = torch.randn(1, 100, 100, 100, generator=draw) * deviation + offset
    (step,) = done(Normalise(), CTVolume(data, Grid.from_axes((100, 100, 100)))).trail.steps
    assert step.offset == pytest.approx(float(data.double().mean()), rel=1e-6, abs=1e-4)
    assert 1 / step.factor == pytest.approx(float(data.double().std(correction=0)), rel=1e-4)


def test_percentiles_come_to_their_landmarks():
    wanted = tuple(float(k * k) for k in range(11))
    out = done(HistogramStandardise(wanted, above=0.0), head()).values[0].data[:, 5:]
    np.testing.assert_allclose(np.percentile(out, DECILES), wanted, rtol=0.02, atol=0.01)


def test_landmarks_make_scans_of_one_contrast_alike():
    """Whatever the receiver's gain, white matter is as bright."""
    train = [head(seed, scale) for seed, scale in ((0, 1.0), (1, 3.0), (2, 0.2))]
    recipe = HistogramStandardise(landmarks(iter(train), above=0.0), above=0.0)
    quiet, loud = (done(recipe, head(7, scale)).values[0].data for scale in (1.0, 40.0))
    assert torch.allclose(quiet, loud, atol=1e-2)
    assert recipe.landmarks[0] == 0
    assert recipe.landmarks[-1] == pytest.approx(100)


def test_landmarks_are_nyul_s():
    scans = [head(seed, scale) for seed, scale in ((0, 1.0), (1, 3.0))]
    rows = []
    for scan in scans:
        p = np.percentile(scan.data[scan.data > 0].numpy(), DECILES)
        rows.append((p - p[0]) / (p[-1] - p[0]) * 100)
    np.testing.assert_allclose(landmarks(scans, above=0.0), np.mean(rows, 0), atol=1e-3)


def test_percentiles_that_fall_together():
    with pytest.raises(ValueError, match="give above"):
        landmarks([head()])
    with pytest.raises(ValueError, match="there are none"):
        landmarks([])
    with pytest.raises(ValueError, match="scan number 0"):
        landmarks([MRVolume(torch.zeros(1, *GRID.shape), GRID)])
    # In use they are borne: the scan still becomes numbers, and comes back.
    scan = head()
    item = done(HistogramStandardise(tuple(map(float, range(11)))), scan)
    assert torch.allclose(item.trail.decode(item.values[0]).data, scan.data, atol=1e-3)


@given(
    st.lists(st.floats(0.05, 50), min_size=2, max_size=8),
    st.lists(st.floats(0.05, 50), min_size=8, max_size=8),
    st.floats(-100, 100),
)
def test_a_bent_line_is_numpy_s_and_comes_back(steps, rises, first):
    before = tuple(np.cumsum([first, *steps]))
    after = tuple(np.cumsum([-first, *rises[: len(steps)]]))
    line = PiecewiseLinear(before, after)
    values = torch.linspace(before[0], before[-1], 97)
    wanted = np.interp(values.numpy(), before, after)
    np.testing.assert_allclose(line.map(values), wanted, atol=5e-3, rtol=1e-4)
    far = torch.linspace(before[0] - 20, before[-1] + 20, 97)
    assert (line.map(far).diff() > 0).all()
    slope = max((b - a) / (d - c) for a, b, c, d in zip(
        before, before[1:], after, after[1:], strict=False))  # fmt: skip
    np.testing.assert_allclose(line.unmap(line.map(far)), far, atol=1e-3 * (1 + slope), rtol=1e-4)


def test_clipping_keeps_hounsfield_units():
    scan = CTVolume(torch.linspace(-2000, 3000, 24).view(1, 2, 3, 4), Grid.from_axes((2, 3, 4)))
    item = done(Clip(-200, 300), scan)
    out = item.values[0]
    assert torch.equal(out.data, scan.data.clamp(-200, 300))
    assert (out.units, out.background) == ("HU", -200)
    assert item.trail.lost() == ["values below -200 and above 300 were clipped"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Clip, "needs low, high, or both"),
        (lambda: Clip(3, 3), "must be below"),
        (lambda: Normalise(1.0, 1.0, above=0.0), "given already"),
        (lambda: Percentiles(50, 50), "must rise"),
        (lambda: Percentiles(-1, 50), "must rise"),
        (lambda: Percentiles(1, 101), "must rise"),
        (lambda: HistogramStandardise((0.0, 1.0)), "what each becomes"),
        (lambda: HistogramStandardise(tuple([0.0] * 11)), "must rise"),
        (lambda: PiecewiseLinear((0.0,), (1.0,)), "two values or more"),
        (lambda: PiecewiseLinear((0.0, 1.0), (1.0, 0.0)), "must rise"),
        (lambda: percentiles(torch.zeros(0), (50,)), "no values"),
    ],
)
def test_numbers_that_make_no_sense(made, words):
    with pytest.raises(ValueError, match=words):
        made()
