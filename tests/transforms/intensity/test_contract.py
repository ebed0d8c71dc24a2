"""What every recipe for voxel values promises."""

import json
from importlib.util import find_spec

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids

from medlib.space import Grid
from medlib.transforms import (
    RECIPES,
    STEPS,
    BiasCorrect,
    BiasField,
    Blur,
    Brightness,
    Clip,
    Contrast,
    CropOrPad,
    CutOut,
    Gamma,
    Ghosting,
    Gibbs,
    HistogramShift,
    HistogramStandardise,
    Intensity,
    Item,
    LowResolution,
    Motion,
    Noise,
    Normalise,
    Percentiles,
    Pipeline,
    RicianNoise,
    Sharpen,
    Spikes,
    Trail,
    Window,
    apply,
)
from medlib.types import (
    Category,
    CTVolume,
    Labels,
    Mask,
    MRVolume,
    MultiVolume,
    PETVolume,
    Points,
    Radiograph,
)

LANDMARKS = (0.0, 7.0, 15.0, 22.0, 30.0, 45.0, 55.0, 60.0, 80.0, 90.0, 100.0)
FIXED = (
    *([BiasCorrect(shrink=1, iterations=(2,))] if find_spec("SimpleITK") else []),
    Clip(-50, 150),
    HistogramStandardise(LANDMARKS),
    Normalise(),
    Percentiles(),
    Window(40, 400),
)
RANDOM = (
    BiasField(),
    Blur(2, 3),
    Brightness(0.3, 20.0),
    Contrast(0.7, 1.4),
    CutOut(3, 0.9),
    Gamma(),
    Ghosting(2, 3),
    Gibbs(0.3),
    HistogramShift(),
    LowResolution(0.4),
    Motion(),
    Noise(20.0),
    RicianNoise(20.0),
    Sharpen(),
    Spikes(2),
)
NAMES = [type(r).__name__ for r in FIXED + RANDOM]
GRID = Grid.from_axes((7, 8, 9), spacing=(2.0, 1.0, 0.8))
# Values that a step maps one by one, so that empty space goes with them.
MAPPED = (Brightness, Clip, Contrast, Gamma, HistogramShift, HistogramStandardise, Normalise,
          Percentiles, Window)  # fmt: skip


def voxels(shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    out = torch.randn(shape, generator=draw) * 150 + 30
    out[:, : shape[1] // 2] += 300
    return out


def ct(grid=GRID, channels=1, dtype=torch.float32, seed=0):
    return CTVolume(voxels((channels, *grid.shape), seed).to(dtype), grid)


def done(recipe, *values, **how):
    return Pipeline((recipe,))(Item(values, name="a"), **how)


@pytest.fixture(params=FIXED + RANDOM, ids=NAMES)
def recipe(request):
    return request.param


@pytest.fixture(params=RANDOM, ids=NAMES[len(FIXED) :])
def random(request):
    return request.param


def test_none_is_left_out():
    known = {r for r in RECIPES if issubclass(r, Intensity)}
    assert {type(r) for r in FIXED + RANDOM} | {BiasCorrect} == known


def test_no_strength_no_change(random):
    scan = ct()
    item = done(random, scan, strength=0.0)
    assert item.trail == Trail()
    assert item.values[0] is scan


def test_something_changes(recipe):
    scan = ct()
    assert not torch.equal(done(recipe, scan).values[0].data, scan.data)


def test_randomness_is_the_item_s_own(random):
    scan = ct()
    first, again, other = (done(random, scan, epoch=e) for e in (0, 0, 1))
    assert first.trail == again.trail
    assert torch.equal(first.values[0].data, again.values[0].data)
    assert first.trail != other.trail
    assert not torch.equal(first.values[0].data, other.values[0].data)


def test_half_the_strength_changes_less(random):
    scan = ct()

    def change(strength):
        items = [done(random, scan, strength=strength, epoch=e) for e in range(8)]
        return sum(float((i.values[0].data - scan.data).square().mean()) for i in items)

    assert change(0.3) < change(1.0)


def test_json_tells_all(recipe):
    scan = ct()
    item = done(recipe, scan)
    told = json.loads(json.dumps(item.trail.to_dict(), allow_nan=False))
    trail = Trail.from_dict(told, steps=STEPS)
    assert trail == item.trail
    value = scan
    for step in trail.steps:
        value = apply(step, value)
    assert torch.equal(value.data, item.values[0].data)
    assert (value.background, value.units) == (item.values[0].background, item.values[0].units)
    specs = json.loads(json.dumps([recipe.to_dict()]))
    assert Pipeline.from_list(specs, allowed=RECIPES).transforms == (recipe,)


def test_what_is_given_is_never_changed(recipe):
    scan = ct()
    before = scan.data.clone()
    item = done(recipe, scan)
    after = item.values[0].data.clone()
    item.trail.decode(item.values[0])
    assert torch.equal(scan.data, before)
    assert torch.equal(item.values[0].data, after)


def test_it_comes_back_or_says_what_is_lost(recipe):
    scan = ct()
    item = done(recipe, scan)
    back = item.trail.decode(item.values[0])
    assert back.units == "HU"
    assert back.background == pytest.approx(
        max(-1000, {Clip: -50, Window: -160}.get(type(recipe), -1000))
        if not isinstance(recipe, Percentiles)
        else float(back.data.min()),
        abs=0.05,
    )
    if item.trail.lost():
        assert not torch.allclose(back.data, scan.data, rtol=1e-3, atol=0.05)
    else:
        assert torch.allclose(back.data, scan.data, rtol=1e-3, atol=0.05)


def test_air_stays_air(recipe):
    """Padding afterwards gives what the padding of before has become."""
    if not isinstance(recipe, MAPPED):
        assert done(recipe, ct()).values[0].background == -1000.0
        return
    padded = done(CropOrPad((9, 8, 9)), ct()).values[0]
    item = done(recipe, padded)
    (step,) = item.trail.steps
    later = done(CropOrPad((9, 8, 9)), apply(step, ct())).values[0]
    assert torch.allclose(later.data, item.values[0].data, rtol=1e-6)
    assert later.background == later.data[0, 0, 0, 0]


def test_masks_points_and_answers_pass(recipe):
    mask = Mask(torch.ones(1, *GRID.shape, dtype=torch.uint8), GRID, Labels.of(["a"]))
    rest = (mask, Points([[1, 2, 3]]), Category("a", ("a",)))
    item = done(recipe, ct(), *rest)
    assert all(a is b for a, b in zip(item.values[1:], rest, strict=True))
    assert all(item.trail.decode(value) is value for value in rest)


def test_each_series_has_a_step_of_its_own(recipe):
    parts = (ct(seed=1), PETVolume(voxels((1, *GRID.shape), 2) / 100, GRID))
    item = done(recipe, MultiVolume(parts, ("CT", "PET")))
    (step,) = item.trail.steps
    assert [type(s) for s in step.steps if s]
    for own, before, after in zip(step.steps, parts, item.values[0].parts, strict=True):
        assert type(after) is type(before)
        assert torch.equal(after.data, apply(own, before).data if own else before.data)


@pytest.mark.parametrize("dtype", [torch.int16, torch.float16, torch.float64], ids=str)
def test_any_dtype_becomes_float32(recipe, dtype):
    whole = ct(dtype=torch.int16)
    scan = CTVolume(whole.data.to(dtype), GRID)
    as_float = CTVolume(whole.data.float(), GRID)
    out = done(recipe, scan).values[0].data
    assert out.dtype == torch.float32
    assert torch.allclose(out, done(recipe, as_float).values[0].data, rtol=1e-5, atol=1e-4)


def test_one_step_serves_several_channels(recipe):
    """Each channel by itself, but for noise, which differs between them."""
    scan = ct(channels=2)
    item = done(recipe, scan)
    (step,) = item.trail.steps
    assert item.values[0].data.shape == scan.data.shape
    if not isinstance(recipe, Noise | RicianNoise):
        for k in range(2):
            alone = apply(step, CTVolume(scan.data[k : k + 1], GRID)).data
            assert torch.allclose(alone[0], item.values[0].data[k], rtol=1e-5, atol=1e-3)
    else:
        assert not torch.equal(*(item.values[0].data - scan.data))


def test_a_radiograph_is_one_slice(recipe):
    grid = Grid.from_axes((1, 16, 18), spacing=(1, 0.2, 0.2))
    film = Radiograph(voxels((1, 1, 16, 18)).abs(), grid)
    item = done(recipe, film)
    assert item.values[0].data.shape == film.data.shape
    assert item.values[0].data.isfinite().all()
    assert not torch.equal(item.values[0].data, film.data)


@pytest.mark.parametrize("value", [-1000.0, 0.0, 37.0])
def test_a_scan_of_one_value_gives_numbers(recipe, value):
    scan = CTVolume(torch.full((1, *GRID.shape), value), GRID)
    if isinstance(recipe, HistogramStandardise):
        with pytest.raises(ValueError, match="no histogram"):
            done(recipe, scan)
    else:
        assert done(recipe, scan).values[0].data.isfinite().all()


def test_views_are_read_as_they_lie(recipe):
    """Reoriented scans are views with other strides."""
    scan = ct()
    turned = CTVolume(scan.data.clone().permute(0, 3, 2, 1).contiguous().permute(0, 3, 2, 1), GRID)
    here, there = (done(recipe, s).values[0].data for s in (scan, turned))
    assert torch.allclose(here, there, rtol=1e-5, atol=1e-3)


@settings(max_examples=15)
@given(grids(sides=(1, 6)), st.integers(0, 1000))
def test_any_grid_however_thin(grid, seed):
    scan = MRVolume(voxels((1, *grid.shape), seed).abs(), grid)
    for recipe in RANDOM:
        item = done(recipe, scan, seed=seed)
        out = item.values[0]
        assert out.data.shape == scan.data.shape
        assert out.data.isfinite().all()
        assert out.grid is grid
        if not item.trail.lost():
            assert torch.allclose(item.trail.decode(out).data, scan.data, rtol=1e-2, atol=0.1)


def test_a_graphics_card_gives_the_same(recipe, card):
    here = done(recipe, ct())
    there = done(recipe, CTVolume(ct().data.to(card), GRID))
    assert there.values[0].data.device == card
    assert torch.allclose(there.values[0].data.cpu(), here.values[0].data, rtol=1e-4, atol=0.05)
