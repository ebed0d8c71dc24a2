"""Coarser levels are held to what is true there: no label made up, none asked that nobody knows."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from medlib.models import Architecture, outputs
from medlib.space import Grid
from medlib.train import Callback, Learner, coarser, loss
from medlib.transforms import Pipeline, RandomPatch
from medlib.types import Labels, Mask, Measurement, Points

LABELS = Labels.of({7: "liver", 2: "spleen"}, ignored=9)


def mask_of(ids, **more):
    return Mask(ids, Grid.from_axes(ids.shape[1:], spacing=(2.0, 1.0, 0.5)), LABELS, **more)


factors = st.tuples(*[st.sampled_from((1, 2, 3, 4))] * 3)


@given(factors, st.tuples(*[st.integers(1, 3)] * 3), st.integers(0, 1000))
def test_the_most_frequent_id_of_each_block_wins(factor, shape, seed):
    draw = torch.Generator().manual_seed(seed)
    size = [f * n for f, n in zip(factor, shape, strict=True)]
    ids = torch.tensor([0, 2, 7, 9])[torch.randint(0, 4, (1, *size), generator=draw)].to(
        torch.uint8
    )
    mask = mask_of(ids, annotated=("liver",))
    found = coarser(mask, mask.grid.resized(shape))
    assert (found.annotated, found.labels, found.data.dtype) == (("liver",), LABELS, torch.uint8)
    assert found.grid.shape == tuple(shape)
    counts = torch.stack([
        torch.from_numpy(ndimage.uniform_filter((ids[0] == i).double().numpy(), factor, mode="constant"))
        for i in (0, 2, 7, 9)
    ])[:, *(slice(f // 2, None, f) for f in factor)]  # fmt: skip
    place = torch.tensor([[0, 2, 7, 9].index(i) for i in found.data.flatten().tolist()])
    chosen = counts.flatten(1).gather(0, place[None])[0]
    torch.testing.assert_close(chosen, counts.flatten(1).max(0).values)


def test_a_thin_structure_does_not_vanish_into_the_background():
    ids = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    ids[0, :, :, 1] = 7  # a plane, half of each block that it passes
    found = coarser(mask_of(ids), mask_of(ids).grid.resized((2, 2, 2)))
    assert (found.data[..., 0] == 7).all()
    assert (found.data[..., 1] == 0).all()


def test_where_nobody_looked_nobody_is_asked_at_coarser_levels_either():
    ids = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    ids[0, 2:] = 9
    mask = mask_of(ids)
    there = coarser(mask, mask.grid.resized((2, 2, 2)))
    logits = torch.randn(1, 3, 2, 2, 2, requires_grad=True)
    loss(logits, there).backward()
    assert (logits.grad[:, :, 1] == 0).all()
    assert (logits.grad[:, :, 0] != 0).any()


def test_places_are_where_they_were():
    points, grid = Points([[1.0, 2.0, 3.0]], ("ear",)), Grid.from_axes((4, 4, 4))
    assert coarser(points, grid.resized((2, 2, 2))) is points
    with pytest.raises(TypeError, match="nothing registered"):
        coarser(Measurement(1.0, "ml"), grid)


def test_a_level_that_is_no_whole_part_is_refused():
    mask = mask_of(torch.zeros(1, 4, 4, 6, dtype=torch.uint8))
    with pytest.raises(ValueError, match="does not divide"):
        coarser(mask, mask.grid.resized((2, 2, 4)))


NETWORKS = {
    "unet": Architecture.residual_unet(channels=(4, 8, 8, 8), coarser=2),
    "dynunet": Architecture.dynunet(channels=(4, 8, 8, 8), coarser=2),
}


class Watch(Callback):
    def after_loss(self, learn):
        levels = (learn.given.logits, *learn.given.coarser)
        self.sizes = [tuple(level.shape[2:]) for level in levels]
        grids = [learn.batch.targets[0].grid.resized(size) for size in self.sizes]
        self.each = [
            float(loss(level.detach().float(), *(coarser(t, grid) for t in learn.batch.targets)))
            for level, grid in zip(levels, grids, strict=True)
        ]
        self.found = float(learn.found)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_level_counts_half_as_much_as_the_finer_one(data, name):
    torch.manual_seed(0)
    watch, window, network = Watch(), (16, 16, 16), NETWORKS[name].build(1, 3)
    patches = Pipeline((RandomPatch(window, on_label=0.7),))
    small = data.transformed(data.train.preprocess, patches)
    learn = Learner(network, small, window=window, precision="fp32", callbacks=[watch])
    learn.fit_one_cycle(epochs=2)
    assert watch.sizes == [(16, 16, 16), (8, 8, 8), (4, 4, 4)]
    finest, middle, coarsest = watch.each
    wanted = (4 * finest + 2 * middle + coarsest) / 7
    assert watch.found == pytest.approx(wanted, rel=1e-4)
    network.eval()
    with torch.no_grad():  # nobody who predicts sees the coarser levels
        assert outputs(network, torch.zeros(1, 1, *window)).coarser == ()


def test_it_trains_the_coarser_heads_and_loads_where_there_are_none():
    network = NETWORKS["unet"].build(1, 3)
    given = outputs(network, torch.randn(2, 1, 16, 16, 16))
    sum(level.square().mean() for level in (given.logits, *given.coarser)).backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0 for p in network.coarser_heads.parameters()
    )
    plain = Architecture.residual_unet(channels=(4, 8, 8, 8)).build(1, 3)
    plain.load_state_dict(
        {n: t for n, t in network.state_dict().items() if not n.startswith("coarser_heads")}
    )
    x = torch.randn(1, 1, 16, 16, 16)
    assert torch.equal(plain.eval()(x), network.eval()(x))
    assert torch.equal(plain(x), network.train()(x)[0])
    with pytest.raises(ValueError, match="cannot answer"):
        Architecture.residual_unet(channels=(4, 8), coarser=1).build(1, 2)
