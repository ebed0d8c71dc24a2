"""Brightness and contrast: ranges are kept, order is kept."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle

from medlib.space import Grid
from medlib.transforms import (
    Contrast,
    CropOrPad,
    Gamma,
    HistogramShift,
    Item,
    Pipeline,
    Power,
    undo,
)
from medlib.types import CTVolume, MRVolume

GRID = Grid.from_axes((6, 7, 8))


def scan_of(low=0.0, high=900.0, kind=MRVolume):
    data = torch.rand(1, *GRID.shape, generator=torch.Generator().manual_seed(0))
    data.view(-1)[:2] = torch.tensor([0.0, 1.0])
    return kind(data * (high - low) + low, GRID)


def done(recipe, scan, **how):
    return Pipeline((recipe,))(Item((scan,)), **how)


@pytest.mark.parametrize("gamma", [0.4, 0.7, 1.5, 3.0])
def test_gamma_is_monai_s(gamma):
    scan = scan_of()
    monai = oracle("monai.transforms").AdjustContrast(gamma)
    out = done(Gamma(gamma, gamma), scan).values[0].data
    assert torch.allclose(out, torch.as_tensor(monai(scan.data)), rtol=1e-5, atol=1e-2)


@given(st.floats(0.05, 8), st.floats(1e-3, 1e5))
def test_nothing_stays_nothing(gamma, high):
    """Exactly: whatever looks for what is above 0 afterwards finds the same voxels."""
    step = Power(gamma, 0.0, high)
    values = torch.tensor([0.0, -1.0, 0.2 * high, high])
    there = step.map(values)
    assert (there > 0).tolist() == (values > 0).tolist()
    assert (there[:2] == 0).all()
    assert (step.unmap(there)[:2] == 0).all()


@given(st.floats(0.3, 3), st.floats(-1e4, 1e4), st.floats(1, 1e4))
def test_gamma_keeps_the_ends_and_comes_back(gamma, low, extent):
    step = Power(gamma, low, low + extent, units="HU")
    values = low + extent * torch.linspace(0, 1, 50)
    out = step.map(values)
    tolerance = 1e-4 * (abs(low) + extent)
    assert out[0] == pytest.approx(low, abs=tolerance)
    assert out[-1] == pytest.approx(low + extent, abs=tolerance)
    assert (out.diff() >= -tolerance).all()
    # Near the dark end gamma squeezes many values into few float32 ones.
    away = slice(10, None)
    assert torch.allclose(step.unmap(out)[away], values[away], atol=100 * tolerance)


@pytest.mark.parametrize("recipe", [Gamma(), HistogramShift(), Contrast()], ids=repr)
def test_the_range_stays_and_so_does_the_order(recipe):
    scan = scan_of(-1000, 2000, CTVolume)
    order = scan.data.flatten().argsort()
    for epoch in range(5):
        out = done(recipe, scan, epoch=epoch).values[0]
        assert float(out.data.min()) >= -1000 - 1e-2
        assert float(out.data.max()) <= 2000 + 1e-2
        assert (out.data.flatten()[order].diff() >= -1e-2).all()
        assert out.background == pytest.approx(float(out.data.min()), abs=1e-2)
        assert out.units == "1"


@pytest.mark.parametrize("recipe", [Gamma(), HistogramShift()], ids=repr)
def test_a_patch_without_air_is_bent_as_with_air(recipe):
    """Padding a patch does not change how the patch looks."""
    inside = scan_of(0, 200, CTVolume)
    padded = done(CropOrPad((8, 9, 10)), inside).values[0]
    alone, with_air = (done(recipe, s).values[0].data for s in (inside, padded))
    assert torch.allclose(alone, with_air[:, 1:-1, 1:-1, 1:-1], rtol=1e-5)


def test_contrast_is_about_the_mean():
    scan = scan_of()
    mean = float(scan.data.mean())
    out = done(Contrast(0.8, 0.8), scan).values[0]
    assert torch.allclose(out.data, (scan.data - mean) * 0.8 + mean, atol=1e-2)
    stretched = done(Contrast(1.5, 1.5), scan)
    wanted = ((scan.data - mean) * 1.5 + mean).clamp(0, 900)
    assert torch.allclose(stretched.values[0].data, wanted, atol=1e-2)
    assert "were clipped" in stretched.trail.lost()[0]


def test_histogram_shift_moves_every_point():
    scan = scan_of(0, 100)
    (step,) = done(HistogramShift(5), scan).trail.steps
    assert step.before == pytest.approx((0, 25, 50, 75, 100))
    assert step.after[0] == 0
    assert step.after[-1] == pytest.approx(100)
    assert all(abs(a - b) > 0 for a, b in zip(step.before[1:-1], step.after[1:-1], strict=True))


def test_units_come_back():
    scan = scan_of(-1000, 2000, CTVolume)
    item = done(Gamma(2, 2), scan)
    assert undo(item.trail.steps[0], item.values[0]).units == "HU"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Gamma(0, 1), "must be positive"),
        (lambda: Gamma(2, 1), "rise"),
        (lambda: Contrast(-1, 1), "must be positive"),
        (lambda: HistogramShift(2), "three points"),
        (lambda: Power(0.0, 0.0, 1.0), "must be positive"),
        (lambda: Power(1.0, 1.0, 1.0), "must be below"),
    ],
)
def test_numbers_that_make_no_sense(made, words):
    with pytest.raises(ValueError, match=words):
        made()
