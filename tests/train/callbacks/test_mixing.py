"""Mixed scans are learned from for what they are: so much of the one, and so much of the other."""

import numpy as np
import pytest
import torch
from balls import write_balls
from hypothesis import given
from hypothesis import strategies as st

from medlib.data import CategoryBlock, DataBlock, MeasurementBlock, VolumeBlock, held_out
from medlib.data.tables import from_table
from medlib.models import Architecture
from medlib.train import Callback, CutMix, Learner, Mixup, loss
from medlib.transforms import Normalise, Pipeline, Reorient, Resize
from medlib.types import MRVolume

SIZE = (8, 12, 12)
LOOK = CategoryBlock("look", ("bright", "dark"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_balls(tmp_path_factory.mktemp("balls"), 8)


@pytest.fixture
def made(folder):
    def make(block, **arguments):
        data = DataBlock(
            blocks=(VolumeBlock(MRVolume), block),
            get_items=lambda table: from_table(table).cases,
            splitter=held_out(["Secret-Name_2", "Secret-Name_5"]),
            preprocess=Pipeline((Reorient("SPL"), Resize(SIZE), Normalise())),
        ).datasets(folder / "table.csv")
        torch.manual_seed(0)
        network = Architecture.encoder(channels=(4, 8, 8)).build(1, data.output.channels)
        chosen = {"batch_size": 3, "rate": 5e-3, "precision": "fp32"} | arguments
        return Learner(network, data, window=SIZE, **chosen)

    return make


class Watch(Callback):
    """What was mixed of what, and the loss that was made of it."""

    order = 10

    def __init__(self):
        self.seen = []

    def after_loss(self, learn):
        each = [loss(learn.given.logits, *t).detach() for t in self.both(learn)]
        self.seen.append((learn.batch.x.clone(), learn.found.detach(), each))

    def both(self, learn):
        return learn.batch.targets, learn.active[self.place(learn)]._others

    def place(self, learn):
        return next(k for k, one in enumerate(learn.active) if isinstance(one, Mixup))


def test_the_loss_is_that_of_both_as_the_scans_are(made):
    watch, mix = Watch(), Mixup(0.8)
    learn = made(LOOK, callbacks=[mix, watch], accumulate=2)
    learn.fit_one_cycle(epochs=2)
    plain = list(zip(range(4), made(LOOK).batches(), strict=False))
    assert len(watch.seen) == 4
    for (_, batch), (x, found, (one, other)) in zip(plain, watch.seen, strict=True):
        draw = np.random.default_rng((learn.seed, plain.index((_, batch))))
        share, partners = float(draw.beta(0.8, 0.8)), draw.permutation(3)
        torch.testing.assert_close(x, share * batch.x + (1 - share) * batch.x[partners])
        assert float(found) == pytest.approx(float(share * one + (1 - share) * other), rel=1e-5)


def test_it_still_learns_and_each_seed_mixes_alike(made):
    scores = made(LOOK, callbacks=[Mixup()]).fit_one_cycle(epochs=12)
    assert scores.overall["AUROC"] == 1.0
    once, again = (made(LOOK, callbacks=[CutMix()]) for _ in range(2))
    assert once.fit_one_cycle(epochs=2) == again.fit_one_cycle(epochs=2)


def test_measurements_can_be_faded_and_not_cut(made):
    block = MeasurementBlock("volume", "ml")
    made(block, callbacks=[Mixup()]).fit_one_cycle(epochs=1)
    with pytest.raises(TypeError, match="here it is a Measurement"):
        made(block, callbacks=[CutMix()]).fit_one_cycle(epochs=1)


@pytest.mark.parametrize("mix", [Mixup(), CutMix()])
def test_outlines_are_no_answers_about_whole_scans(learner, mix):
    with pytest.raises(TypeError, match="here it is a Mask"):
        learner(callbacks=[mix]).fit_one_cycle(epochs=1)


@given(
    st.floats(0, 1),
    st.integers(0, 1000),
    st.tuples(st.integers(1, 6), st.integers(2, 9), st.integers(1, 9)),
)
def test_the_share_of_a_cut_is_counted_in_voxels(share, seed, size):
    x, other = torch.zeros(2, 1, *size), torch.ones(2, 1, *size)
    mixture, left = CutMix().mixed(x, other, share, np.random.default_rng(seed))
    assert float((mixture == 0).float().mean()) == pytest.approx(left, abs=1e-6)
    assert set(mixture.unique().tolist()) <= {0.0, 1.0}
    inside = (mixture[0, 0] == 1).nonzero()
    if len(inside):  # one box, and nothing else
        sides = inside.max(0).values - inside.min(0).values + 1
        assert int(sides.prod()) == len(inside)
    assert (x == 0).all()


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_a_strength_that_is_none_is_refused(alpha):
    with pytest.raises(ValueError, match="above 0"):
        Mixup(alpha)
