"""Bias fields: the polynomial meant, and N4's own correction."""

import sys
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle
from scipy.interpolate import BSpline

from medlib.space import Grid
from medlib.transforms import (
    STEPS,
    BiasCorrect,
    BiasField,
    Item,
    MultiplyByField,
    Normalise,
    Pipeline,
    Trail,
    apply,
)
from medlib.transforms.intensity.field import basis
from medlib.types import CTVolume, MRVolume

GRID = Grid.from_axes((9, 11, 13))


def done(recipe, scan, **how):
    return Pipeline((recipe,))(Item((scan,)), **how)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_field_is_a_polynomial_of_its_order(order):
    """The one that numpy fits to it leaves nothing over, and its coefficients are in range."""
    scan = MRVolume(torch.ones(1, *GRID.shape), GRID)
    field = done(BiasField(0.4, order), scan).values[0].data[0].double().log().numpy()
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in GRID.shape], indexing="ij")
    powers = [p for p in product(range(order + 1), repeat=3) if sum(p) <= order]
    terms = np.stack([(z**i * y**j * x**k).ravel() for i, j, k in powers], 1)
    found, *_ = np.linalg.lstsq(terms, field.ravel(), rcond=None)
    np.testing.assert_allclose(terms @ found, field.ravel(), atol=1e-5)
    assert np.abs(found).max() <= 0.4 + 1e-5
    assert np.abs(found).min() > 1e-4


@given(st.integers(1, 60), st.integers(4, 12))
def test_splines_are_scipy_s(size, count):
    knots = np.arange(-3, count + 1)
    places = np.linspace(0, count - 3, size) if size > 1 else np.array([(count - 3) / 2])
    wanted = BSpline(knots, np.eye(count), 3)(places)
    np.testing.assert_allclose(basis(size, count), wanted, atol=1e-12)


def test_air_stays_air_even_where_it_is_not_zero():
    data = torch.full((1, *GRID.shape), -1000.0)
    data[:, 3:6] = 40
    out = done(BiasField(), CTVolume(data, GRID)).values[0]
    assert (out.data[:, :3] == -1000).all()
    normal = MRVolume(data + 1000, GRID)
    both = Pipeline((Normalise(), BiasField()))(Item((normal,))).values[0]
    air = both.data[:, :3]
    assert torch.allclose(air, torch.full_like(air, both.background), atol=1e-6)


def uneven(shape=(20, 24, 22)):
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    head = (z**2 + y**2 + x**2 < 0.8) * 100.0
    noise = np.random.default_rng(0).random(shape) * 4
    field = np.exp(0.4 * x + 0.3 * y - 0.3 * z**2)
    grid = Grid.from_axes(shape, spacing=(2.0, 1.0, 1.0))
    return MRVolume(torch.tensor((head * field + noise)[None]).float(), grid), head


def test_bias_correction_is_itk_s():
    sitk = oracle("SimpleITK")
    scan, head = uneven()
    item = done(BiasCorrect(shrink=2, iterations=(20, 10)), scan)
    image = sitk.GetImageFromArray(scan.data[0].numpy())
    image.SetSpacing((1.0, 1.0, 2.0))
    mask = sitk.OtsuThreshold(image, 0, 1)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations((20, 10))
    n4.Execute(sitk.Shrink(image, (2, 2, 2)), sitk.Shrink(mask, (2, 2, 2)))
    field = np.exp(sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)))
    np.testing.assert_allclose(
        item.values[0].data[0], scan.data[0].numpy() / field, rtol=1e-4, atol=1e-3
    )
    tissue = head == 100
    before, after = scan.data[0].numpy()[tissue], item.values[0].data[0].numpy()[tissue]
    assert after.std() / after.mean() < 0.4 * before.std() / before.mean()


def test_a_correction_found_once_needs_no_itk(monkeypatch):
    scan, _ = uneven((8, 12, 10))
    oracle("SimpleITK")
    item = done(BiasCorrect(1, (2,)), scan)
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    (step,) = Trail.from_dict(item.trail.to_dict(), steps=STEPS).steps
    assert torch.equal(apply(step, scan).data, item.values[0].data)
    assert torch.allclose(item.trail.decode(item.values[0]).data, scan.data, rtol=1e-4, atol=1e-3)
    with pytest.raises(ImportError, match="BiasCorrect needs SimpleITK"):
        done(BiasCorrect(1, (2,)), scan)


@pytest.mark.parametrize("shape", [(1, 30, 24), (2, 20, 20)], ids=str)
def test_one_slice_and_two(shape):
    oracle("SimpleITK")
    scan, _ = uneven((9, *shape[1:]))
    few = MRVolume(scan.data[:, 4 : 4 + shape[0]].clone(), Grid.from_axes(shape))
    out = done(BiasCorrect(2, (5, 5)), few).values[0].data
    assert out.shape == few.data.shape
    assert out.isfinite().all()
    assert torch.allclose(out.mean(), few.data.mean(), rtol=0.3)


def test_a_single_row_has_no_field():
    line = MRVolume(torch.rand(1, 1, 1, 20), Grid.from_axes((1, 1, 20)))
    with pytest.raises(ValueError, match="a slice at least"):
        done(BiasCorrect(), line)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: BiasField(order=4), "order 1 to 3"),
        (lambda: BiasField(-1.0), "at least 0"),
        (lambda: BiasCorrect(0), "at least 1"),
        (lambda: BiasCorrect(iterations=()), "at least 1"),
        (lambda: MultiplyByField((((0.0,) * 4,) * 4,) * 3), "four at least"),
        (lambda: MultiplyByField(()), "four at least"),
        (lambda: MultiplyByField((((0.0,) * 4,) * 4,) * 3 + (((0.0,) * 5,) * 4,)), "not"),
    ],
)
def test_numbers_that_make_no_sense(made, words):
    with pytest.raises(ValueError, match=words):
        made()
