"""The best weights on disk are the best that there were, can be loaded, and are never too many."""

import json

import pytest
import torch
from safetensors import safe_open

from medlib.train import BestCheckpoints, Callback, Scores


class Grade(Callback):
    """Gives each validation a score of its own."""

    order = -1

    def __init__(self, *merits):
        self.merits, self.weights = list(merits), {}

    def after_validation(self, learn):
        merit = self.merits.pop(0) if self.merits else 0.0
        learn.scores = Scores({name: {"liver": merit} for name in learn.scores.cases})
        self.weights[merit] = {n: t.clone() for n, t in learn.network.state_dict().items()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_best_few_are_there_and_no_others(learner, tmp_path):
    keep, grade = BestCheckpoints(tmp_path / "best", keep=2), Grade(0.3, 0.9, 0.1, 0.5)
    learn = learner(callbacks=[keep, grade], validations=4)
    learn.fit_one_cycle(epochs=4)
    again = BestCheckpoints(tmp_path / "best").kept  # as another process would
    assert [kept.merit for kept in again] == [0.9, 0.5]
    files = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert files == sorted(["best.json", *(kept.path.name for kept in again)])
    assert set(again[0].scores.cases) == {"case_2", "case_5"}
    for kept in again:
        other = learner().network
        kept.load(other)
        assert equal(grade.weights[kept.merit], other.state_dict())
        with safe_open(kept.path, "pt") as file:
            assert set(file.keys()) == set(other.state_dict())


def test_another_training_competes_on_the_same_cases_only(learner, tmp_path):
    folder = tmp_path / "best"
    first, second = Grade(0.3, 0.6), Grade(0.4, 0.5)
    for grade, seed in ((first, 0), (second, 1)):
        keep = BestCheckpoints(folder, keep=3)
        learner(callbacks=[keep, grade], validations=2, seed=seed).fit_one_cycle(epochs=2)
    assert [kept.merit for kept in keep.kept] == [0.6, 0.5, 0.4]
    table = json.loads((folder / "best.json").read_text())
    table["kept"][0]["scores"]["cases"] = {"somebody else": {"liver": 1.0}}
    (folder / "best.json").write_text(json.dumps(table))
    with pytest.raises(ValueError, match="other validation cases"):
        learner(callbacks=[keep]).fit_one_cycle(epochs=1)


def test_what_a_killed_writer_left_does_not_stay(learner, tmp_path):
    keep = BestCheckpoints(tmp_path, keep=1)
    (tmp_path / ".best.json.part").write_bytes(b"half")
    (tmp_path / ".weights_0123.safetensors.part").write_bytes(b"half")
    (tmp_path / "weights_0123.safetensors").write_bytes(b"not in the table")
    (tmp_path / "mine.safetensors").write_bytes(b"somebody's own")

    class Look(Callback):
        def before_step(self, learn):  # also where no weights are ever kept after it
            if not learn.step:
                assert {path.name for path in tmp_path.iterdir()} == {"mine.safetensors"}

    learner(callbacks=[keep, Look()], validations=1).fit_one_cycle(epochs=1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"best.json", "mine.safetensors", keep.kept[0].path.name}


def test_none_and_other_tables_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        BestCheckpoints(tmp_path, keep=0)
    (tmp_path / "best.json").write_text("{}")
    with pytest.raises(ValueError, match="no table of weights"):
        BestCheckpoints(tmp_path).kept  # noqa: B018
