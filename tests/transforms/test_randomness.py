"""The same seed, epoch and name give the same item, in whatever order and process."""

import multiprocessing
import random as other_random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from medlib.space import Grid
from medlib.transforms import (
    AddNoise,
    Brightness,
    Flip,
    Item,
    Noise,
    Pipeline,
    RandomAffine,
    RandomPatch,
    apply,
)
from medlib.types import Labels, Mask, MRVolume

PIPELINE = Pipeline(
    (RandomAffine(shift=2), Flip("superior-inferior", probability=0.5), RandomPatch((6, 6, 6)), Noise(),
     Brightness())
)  # fmt: skip


def items(n=6):
    grid = Grid.from_axes((9, 9, 9))
    draw = torch.Generator().manual_seed(0)
    return [
        Item(
            (
                MRVolume(torch.rand(1, 9, 9, 9, generator=draw), grid),
                Mask((torch.rand(1, 9, 9, 9, generator=draw) > 0.9).int(), grid, Labels.of(["a"])),
            ),
            name=f"case {k}",
        )
        for k in range(n)
    ]


def same(a, b):
    return a.trail == b.trail and all(
        torch.equal(x.data, y.data) for x, y in zip(a.values, b.values, strict=True)
    )


def test_order_and_global_seeds_do_not_matter():
    there = [PIPELINE(item, seed=5, epoch=2) for item in items()]
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    other_random.seed(3)
    back = [PIPELINE(item, seed=5, epoch=2) for item in reversed(items())][::-1]
    assert all(map(same, there, back))


def test_seeds_epochs_and_names_matter():
    (item,) = items(1)
    first = PIPELINE(item)
    assert same(first, PIPELINE(item))
    assert PIPELINE(item, seed=1).trail != first.trail
    assert PIPELINE(item, epoch=1).trail != first.trail
    assert PIPELINE(Item(item.values, name="other")).trail != first.trail
    # Seed 1, epoch 11 is not seed 11, epoch 1.
    assert PIPELINE(item, seed=1, epoch=11).trail != PIPELINE(item, seed=11, epoch=1).trail


def test_one_more_recipe_at_the_end_changes_none_before_it():
    (item,) = items(1)
    longer = (PIPELINE + Pipeline((Noise(),)))(item)
    assert longer.trail.steps[: len(PIPELINE(item).trail.steps)] == PIPELINE(item).trail.steps


@pytest.mark.parametrize("how", ["spawn"])
def test_workers_give_the_same(how):
    loader = DataLoader(
        items(4),
        batch_size=None,
        collate_fn=PIPELINE,
        num_workers=2,
        multiprocessing_context=multiprocessing.get_context(how),
    )
    assert all(map(same, loader, map(PIPELINE, items(4))))


def test_noise_is_drawn_anew_from_its_seed():
    grid = Grid.from_axes((16, 16, 16))
    scan = MRVolume(torch.zeros(1, 16, 16, 16), grid)
    step = AddNoise(deviation=2.0, seed=7)
    noise = apply(step, scan).data
    assert torch.equal(noise, apply(step, scan).data)
    assert float(noise.std()) == pytest.approx(2.0, rel=0.05)
    assert abs(float(noise.mean())) < 0.1
    assert not torch.equal(noise, apply(AddNoise(deviation=2.0, seed=8), scan).data)
    assert (scan.data == 0).all()


def test_a_probability_is_one():
    (item,) = items(1)
    for probability, count in ((0.0, 0), (1.0, 40)):
        recipes = (
            Noise(probability=probability),
            Brightness(probability=probability),
            RandomAffine(probability=probability),
            Flip("superior-inferior", probability=probability),
        )
        found = [len(Pipeline(recipes)(item, seed=s).trail.steps) for s in range(10)]
        assert sum(found) == count
