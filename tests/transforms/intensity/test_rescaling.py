import pytest
import torch

from medlib.space import Grid
from medlib.transforms import (
    Brightness,
    CropOrPad,
    Item,
    Noise,
    Normalise,
    Pipeline,
    Rescale,
    Window,
    apply,
    undo,
)
from medlib.types import Category, CTVolume, Labels, Mask, MRVolume, Points

GRID = Grid.from_axes((6, 6, 6))


def hounsfield(dtype=torch.int16):
    draw = torch.Generator().manual_seed(0)
    return CTVolume(torch.randint(-1000, 2000, (1, 6, 6, 6), generator=draw).to(dtype), GRID)


def test_each_scan_s_own_mean_and_deviation():
    scan = MRVolume(torch.rand(1, 6, 6, 6) * 900 + 100, GRID)
    item = Pipeline((Normalise(),))(Item((scan,)))
    data = item.values[0].data
    assert float(data.mean()) == pytest.approx(0, abs=1e-5)
    assert float(data.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(item.trail.decode(item.values[0]).data, scan.data, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 37.0, -1000.0])
def test_a_scan_of_one_value_becomes_nothing_and_comes_back(value):
    scan = MRVolume(torch.full((1, 6, 6, 6), value), GRID)
    item = Pipeline((Normalise(),))(Item((scan,)))
    assert (item.values[0].data == 0).all()
    assert torch.allclose(item.trail.decode(item.values[0]).data, scan.data)


def test_clipping_comes_before_the_statistics():
    scan = hounsfield()
    item = Pipeline((Normalise(low=-100, high=200),))(Item((scan,)))
    data = item.values[0].data
    assert float(data.mean()) == pytest.approx(0, abs=1e-5)
    back = item.trail.decode(item.values[0])
    assert torch.allclose(back.data, scan.data.float().clamp(-100, 200), atol=1e-3)


def test_air_goes_through_the_same_numbers_as_the_voxels():
    """What pads a normalised CT is what -1000 HU has become, not 0, which is tissue by now."""
    pipeline = Pipeline((Normalise(mean=100, deviation=50), CropOrPad((8, 6, 6))))
    scan = pipeline(Item((hounsfield(),))).values[0]
    assert scan.background == pytest.approx((-1000 - 100) / 50)
    assert scan.data[0, 0, 0, 0] == pytest.approx(-22)
    windowed = Pipeline((Window(40, 400), CropOrPad((8, 6, 6))))(Item((hounsfield(),))).values[0]
    assert windowed.data[0, 0, 0, 0] == 0
    assert float(windowed.data.min()) == 0
    assert float(windowed.data.max()) == 1


@pytest.mark.parametrize("dtype", [torch.int16, torch.float16, torch.float64], ids=str)
def test_arithmetic_is_in_float32(dtype):
    step = Rescale(50.0, 0.01, low=-200.0, high=300.0, units="HU")
    out = apply(step, hounsfield(dtype)).data
    assert out.dtype == torch.float32
    assert torch.allclose(out, apply(step, hounsfield()).data, atol=1e-2)


def test_the_scan_given_is_never_changed():
    scan = hounsfield(torch.float32)
    before = scan.data.clone()
    item = Pipeline((Normalise(), Noise(), Brightness(), Window(0, 1)))(Item((scan,)))
    item.trail.decode(item.values[0])
    assert torch.equal(scan.data, before)


def test_masks_points_and_answers_have_no_intensities():
    mask = Mask(torch.ones(1, 6, 6, 6, dtype=torch.uint8), GRID, Labels.of(["a"]))
    values = (hounsfield(), mask, Points([[1, 2, 3]]), Category("a", ("a",)))
    item = Pipeline((Normalise(), Noise(), Brightness()))(Item(values))
    assert item.values[1:] == values[1:]


def test_brightness_and_window_are_undone():
    scan = hounsfield(torch.float32)
    item = Pipeline((Brightness(0.3, 50.0), Window(500, 4000)))(Item((scan,)))
    assert torch.allclose(item.trail.decode(item.values[0]).data, scan.data, atol=1e-2)
    assert undo(Rescale(3.0, 2.0, units="HU"), scan).units == "HU"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Normalise(mean=1.0), "a mean and a deviation, or neither"),
        (lambda: Normalise(mean=1.0, deviation=0.0), "must be positive"),
        (lambda: Normalise(low=3.0, high=-3.0), "must be below"),
        (lambda: Window(40, 0), "must be positive"),
        (lambda: Brightness(contrast=1.5), "below 1"),
        (lambda: Rescale(0.0, 0.0), "multiplied by 0"),
        (lambda: Rescale(0.0, float("inf")), "multiplied by inf"),
    ],
)
def test_numbers_that_make_no_sense(made, words):
    with pytest.raises(ValueError, match=words):
        made()


def test_two_scans_are_not_guessed_between():
    with pytest.raises(ValueError, match="one scan is needed, and there are 2"):
        Pipeline((Normalise(),))(Item((hounsfield(), hounsfield())))


def test_values_on_different_grids_are_no_item():
    moved = Grid.from_axes((6, 6, 6), origin=(0, 0, 3))
    mask = Mask(torch.zeros(1, 6, 6, 6, dtype=torch.uint8), moved)
    with pytest.raises(ValueError, match=r"CTVolume and the Mask are on different grids.*3 mm"):
        Pipeline(())(Item((hounsfield(), mask)))
    with pytest.raises(ValueError, match="has a grid"):
        Pipeline(())(Item((Points([[0, 0, 0]]),)))
