"""A batch augmented in one pass is each of its items augmented alone."""

import numpy as np
import pytest
import torch
from scenes import ORGANS, organs

from medlib.space import Grid
from medlib.transforms import (
    Elastic,
    Flip,
    Item,
    Noise,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Spacing,
)
from medlib.transforms.spatial import sampler
from medlib.types import CTVolume, Mask, Points

BENT = Pipeline((RandomAffine(20), Elastic(4, 12), RandomPatch((16, 18, 20)), Noise(0.1)))
TURNED = Pipeline((Flip("anterior-posterior", probability=0.5), RandomAffine(20), Noise(0.1)))
STRETCHED = Pipeline((Spacing((2, 1.5, 1.5)),))
LATE = Pipeline((RandomAffine(20, probability=0.5), Noise(0.1, probability=0.5), Elastic(4, 12)))


def items(sides=((24, 24, 24),) * 4, device="cpu"):
    found = []
    for number, shape in enumerate(sides):
        grid = Grid.from_axes(shape, spacing=(1.5, 1, 1), origin=(number, 0, 0))
        draw = torch.Generator().manual_seed(number)
        scan = CTVolume(torch.rand(1, *shape, generator=draw).to(device), grid, background=-1.0)
        mask = organs(grid)
        mask = Mask(mask.data.to(device), grid, ORGANS)
        found.append(Item((scan, mask, Points(grid.centre[None])), name=f"item {number}"))
    return found


def same(together, alone, *, tolerance):
    for a, b in zip(together, alone, strict=True):
        assert a.trail == b.trail
        assert torch.allclose(a.values[0].data.cpu(), b.values[0].data.cpu(), atol=tolerance)
        agree = (a.values[1].data.cpu() == b.values[1].data.cpu()).float().mean()
        assert agree > 1 - tolerance
        assert np.array_equal(a.values[2].coordinates, b.values[2].coordinates)


@pytest.mark.parametrize("pipeline", [BENT, TURNED, STRETCHED, LATE])
@pytest.mark.parametrize("backend", ["SimpleITK", "torch"])
def test_together_is_each_alone(pipeline, backend, monkeypatch):
    if backend == "torch":
        monkeypatch.setattr("medlib.transforms.spatial.itk.suits", lambda data: False)
    together = pipeline.together(items(), seed=3, epochs=(0, 1, 2, 3))
    alone = [pipeline(item, seed=3, epoch=k) for k, item in enumerate(items())]
    same(together, alone, tolerance=1e-6)


def test_scans_of_several_sizes_are_no_hindrance():
    sides = ((24, 24, 24), (20, 26, 22), (24, 24, 24))
    same(BENT.together(items(sides)), [BENT(item) for item in items(sides)], tolerance=1e-6)


def test_bent_scans_are_read_in_one_call(monkeypatch):
    calls = []
    read = sampler.interpolated
    monkeypatch.setattr(sampler, "interpolated", lambda *a: calls.append(len(a[0])) or read(*a))
    BENT.together(items())
    assert calls == [4]


def test_an_empty_batch():
    assert BENT.together([]) == []


@pytest.mark.parametrize("pipeline", [BENT, TURNED, STRETCHED])
def test_a_graphics_card_gives_the_same(pipeline, card):
    there = pipeline.together(items(device=card), seed=3)
    assert there[0].values[0].data.device == card
    same(there, pipeline.together(items(), seed=3), tolerance=1e-3)
