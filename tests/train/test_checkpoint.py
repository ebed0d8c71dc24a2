"""A training that is killed goes on, and ends where it would have ended."""

import json
import math

import pytest
import torch
from safetensors import safe_open
from torture.killed import torment

from medlib.train import Callback, Checkpoints


@pytest.mark.parametrize("training", ["outlining", "classifying"])
def test_killed_twice_it_ends_with_the_same_weights(training, tmp_path):
    """With averages, mixing, deep supervision, dropout, thawing and several batches a step."""
    rows = torment(training, tmp_path, kills=2, steps=2)
    assert len(rows) == 2


class Stop(Callback):
    def after_step(self, learn):
        if learn.step == 3:
            raise KeyboardInterrupt


def test_another_training_does_not_go_on_from_it(learner, tmp_path):
    path = tmp_path / "c.checkpoint"
    keep = [Checkpoints(path, seconds=0.0), Stop()]
    learner(callbacks=keep).fit_one_cycle(epochs=10)
    assert path.exists()
    other = [Checkpoints(path, seconds=0.0), Stop()]
    with pytest.raises(ValueError, match=r"of another training: seed, rate differ"):
        learner(callbacks=other, seed=1, rate=1e-3).fit_one_cycle(epochs=10)
    with pytest.raises(ValueError, match=r"another training: length differ"):
        learner(callbacks=other).fit_one_cycle(epochs=11)


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
