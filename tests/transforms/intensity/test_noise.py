"""Noise has the distribution that its name says."""

import numpy as np
import pytest
import torch
from scipy import stats

from medlib.space import Grid
from medlib.transforms import AddNoise, AddRicianNoise, Noise, RicianNoise, apply
from medlib.transforms.intensity.noise import gaussian, levels, quantiles
from medlib.types import MRVolume

GRID = Grid.from_axes((60, 60, 60))


def test_noise_is_normal_and_white():
    noise = gaussian(torch.empty(1, 100, 100, 100), 3)[0]
    assert stats.kstest(noise.flatten()[::7].numpy(), "norm").pvalue > 0.01
    assert float(noise.mean()) == pytest.approx(0, abs=4e-3)
    assert float(noise.std()) == pytest.approx(1, abs=3e-3)
    assert float(stats.kurtosis(noise.flatten().numpy())) == pytest.approx(0, abs=0.03)
    assert float(noise.abs().max()) > 4
    for axis in range(3):
        for far in (1, 2, 4):
            away = noise.roll(far, axis)
            assert abs(float((noise * away).mean())) < 5e-3


def drawn(count, seed):
    return levels(count, np.random.SFC64(seed))


def test_seeds_differ_and_lengths_agree():
    assert torch.equal(drawn(10, 5), drawn(1000, 5)[:10])
    assert not torch.equal(drawn(10, 5), drawn(10, 6))
    many = drawn(1 << 18, 0)
    assert (int(many.min()), int(many.max())) == (0, 65535)
    assert abs(float(np.corrcoef(drawn(10_000, 1), drawn(10_000, 2))[0, 1])) < 0.04
    # More than is drawn at once: one piece goes on where the last one ended.
    long = gaussian(torch.empty(1_200_000), 5)
    assert torch.equal(long, quantiles()[drawn(1_200_000, 5)])


def test_the_numbers_are_the_same_on_every_machine():
    """Drawn words are numpy's SFC64, whose stream is fixed; so a trail gives the same noise."""
    assert drawn(4, 7).tolist() == [24271, 64080, 29299, 2874]


@pytest.mark.parametrize("signal", [0.0, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("background", [0.0, -2.5])
def test_rician_noise_is_rician(signal, background):
    data = torch.full((1, *GRID.shape), signal + background)
    scan = MRVolume(data, GRID, background=background)
    out = apply(AddRicianNoise(deviation=2.0, seed=1), scan)
    shown = (out.data.flatten() - background).numpy()
    assert stats.kstest(shown[::5], stats.rice(signal / 2.0, scale=2.0).cdf).pvalue > 0.01
    assert out.background == background


def test_noise_of_several_channels_is_not_the_same():
    scan = MRVolume(torch.zeros(2, *GRID.shape), GRID)
    first, second = apply(AddNoise(1.0, 4), scan).data
    assert abs(float((first * second).mean())) < 0.01


@pytest.mark.parametrize("recipe", [Noise, RicianNoise])
def test_a_deviation_is_not_below_nothing(recipe):
    with pytest.raises(ValueError, match="at least 0"):
        recipe(-0.1)
