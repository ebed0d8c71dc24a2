"""A training that is killed goes on, and ends where it would have ended."""

import errno
import json
import math
from copy import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors import safe_open
from torture.killed import torment

from medlib.train import EMA, Budget, Callback, Checkpoints, OneCycle, Phases, loss


@pytest.mark.parametrize("training", ["outlining", "classifying"])
def test_killed_twice_it_ends_with_the_same_weights(training, tmp_path):
    """With averages, mixing, deep supervision, dropout, thawing and several batches a step."""
    rows = torment(training, tmp_path, kills=2, steps=2)
    assert len(rows) == 2


class Stop(Callback):
    def made_with(self):
        return None

    def after_step(self, learn):
        if learn.step == 3:
            raise KeyboardInterrupt


def test_another_training_does_not_go_on_from_it(learner, tmp_path):
    path = tmp_path / "c.checkpoint"
    keep = [Checkpoints(path, seconds=0.0), Stop()]
    learner(callbacks=keep).fit_one_cycle(epochs=10)
    assert path.exists()
    other = [Checkpoints(path, seconds=0.0), Stop()]
    with pytest.raises(
        ValueError, match=r"another training: seed, rate, settings of OneCycle differ"
    ):
        learner(callbacks=other, seed=1, rate=1e-3).fit_one_cycle(epochs=10)
    with pytest.raises(ValueError, match=r"another training: length differ"):
        learner(callbacks=other).fit_one_cycle(epochs=11)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"optimiser": "sgd"}, "optimiser"),
        ({"decay": 0.1}, "decay"),
        ({"clip": 1.0}, "clip"),
        ({"spread": 3.0}, "spread"),
        ({"loss": partial(loss, smoothing=0.2)}, "loss"),
        ({"window": (16, 16, 16)}, "window"),
        ({"validations": 3}, "validations"),
    ],
)
def test_what_decides_how_it_learns_is_not_changed_silently(learner, tmp_path, changed, said):
    path = tmp_path / "c.checkpoint"
    learner(callbacks=[Checkpoints(path, seconds=0.0), Stop()]).fit_one_cycle(epochs=10)
    with pytest.raises(ValueError, match=rf"of another training: {said} differ"):
        learner(callbacks=[Checkpoints(path)], **changed).fit_one_cycle(epochs=10)


def test_nor_are_averages_and_schedules(learner, tmp_path):
    path = tmp_path / "c.checkpoint"

    def fit(share, *schedules):
        callbacks = [EMA(share), *schedules, Checkpoints(path, seconds=0.0), Stop()]
        learner().fit(Budget(steps=20), callbacks=callbacks)

    fit(0.1, Phases((0.5, OneCycle(1.0))))
    with pytest.raises(ValueError, match="training: settings of EMA, settings of Phases differ"):
        fit(0.2, Phases((0.5, OneCycle(1.0, rise=0.3))))
    with pytest.raises(ValueError, match="training: callbacks, settings of OneCycle differ"):
        fit(0.1, OneCycle(1.0))
    fit(0.1, Phases((0.5, OneCycle(1.0))))


def test_other_labels_under_the_same_names_are_another_training(data, learner, tmp_path):
    path = tmp_path / "c.checkpoint"
    learner(callbacks=[Checkpoints(path, seconds=0.0), Stop()]).fit_one_cycle(epochs=10)
    first, *others = data.train.cases
    learn = learner(callbacks=[Checkpoints(path)])
    case = replace(first, label=others[0].label)
    learn.data = replace(data, train=copy(data.train))
    learn.data.train.cases = (case, *others)
    with pytest.raises(ValueError, match="what is known of the cases differ"):
        learn.fit_one_cycle(epochs=10)


def test_the_head_says_how_far_it_was_and_what_else_must_be_the_same(learner, tmp_path):
    path = tmp_path / "c.checkpoint"
    keep = Checkpoints(path, seconds=0.0, of={"kind": "mr"})
    assert keep.standing() is None
    learner(callbacks=[keep, Stop()]).fit_one_cycle(epochs=10)
    standing = keep.standing()
    assert (standing.step, standing.progress, standing.plan) == (2, 0.1, None)
    with pytest.raises(ValueError, match="another training: kind differ"):
        Checkpoints(path, of={"kind": "ct"}).standing()


def test_what_is_no_checkpoint_is_refused(learner, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "c.checkpoint"
    path.write_bytes(b"PK something else")
    with pytest.raises(ValueError, match="is no checkpoint, or was damaged"):
        learner(callbacks=[Checkpoints(path)]).fit_one_cycle(epochs=1)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="no checkpoint of this version"):
        learner(callbacks=[Checkpoints(path)]).fit_one_cycle(epochs=1)


def test_it_holds_nothing_that_could_be_run(learner, tmp_path):
    path = tmp_path / "c.checkpoint"
    learner(callbacks=[Checkpoints(path, seconds=0.0), Stop()]).fit_one_cycle(epochs=10)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    values = json.loads(header["__metadata__"]["values"])
    assert values["step"] == 2  # the third was interrupted before it was written
    assert math.isfinite(values["smooth_loss"])


def test_what_a_killed_writer_left_goes_when_the_training_is_done(learner, tmp_path):
    (tmp_path / ".c.checkpoint.part").write_bytes(b"half")
    learner(callbacks=[Checkpoints(tmp_path / "c.checkpoint")], validations=1).fit_one_cycle(
        epochs=1
    )
    assert not list(tmp_path.iterdir())


def test_a_full_disk_does_not_end_the_training(learner, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("medlib.train.checkpoint.write_tensors", full)
    learn = learner(callbacks=[Checkpoints(tmp_path / "c.checkpoint", seconds=0.0)])
    with pytest.warns(UserWarning, match=r"could not be written .*No space left"):
        learn.fit(Budget(steps=2))
    assert learn.finished


def test_ruined_weights_are_never_written_over_good_ones(learner, tmp_path):
    class Ruin(Callback):
        def after_step(self, learn):
            if learn.step == 3:
                with torch.no_grad():
                    next(learn.network.parameters()).fill_(math.nan)

    path = tmp_path / "c.checkpoint"
    with pytest.raises(FloatingPointError):
        learner(callbacks=[Checkpoints(path, seconds=0.0), Ruin()]).fit_one_cycle(epochs=10)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["values"])["step"] == 2
        names = [name for name in file.keys() if name.startswith("network/")]  # noqa: SIM118
        assert all(file.get_tensor(name).isfinite().all() for name in names)
