"""Cross-validation: every case predicted once, by a model that never saw its patient.

What each fold decides (spacing, intensities, what is usual of a measurement, the weights) is
decided on the cases that it trains on. Two things are of all cases: which words or structures there
are to be found, and, from headers alone, how large scans get, since a scan that is seen whole has
to fit in. Weights are those at the end of the training: to keep the best moment on the cases that
are reported would report luck too.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, isnan, nan
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from medlib.data import Case, CategoryBlock, k_fold
from medlib.data.splitters import Split
from medlib.data.written import packed, unpacked
from medlib.io.files import written_whole
from medlib.package import Ensemble, Model, load
from medlib.train import BestWeights, Budget, Scores, scored
from medlib.train.intervals import FloatArray, Interval, area, bootstrap, part_intervals
from medlib.transforms import Item
from medlib.types import Belief, Categories, Category, Gridded, Kind

if TYPE_CHECKING:
    from medlib.tasks import Task

Answer = tuple[str, Kind, Kind]
"""A case's name, what was predicted, and the truth."""


@dataclass(frozen=True)
class Fold:
    """A model, and what it reached on patients that it never saw.

    Args:
        model: trained on all cases but these.
        scores: of the cases that were kept back.
        answers: (name, prediction, truth) of each, where it is no picture: what figures of all
            cases together are made from.
        trained_on: how many cases.
    """

    model: Model
    scores: Scores
    answers: tuple[Answer, ...]
    trained_on: int


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found; printed, it is a table.

    Args:
        folds: each case is kept back in one of them.
        patients: of each case, whose it is.
    """

    folds: tuple[Fold, ...]
    patients: Mapping[str, str]

    @cached_property
    def scores(self) -> Scores:
        """The figures of all cases, each predicted once, by a model that never saw its patient.

        The area under the ROC curve compares two cases only where one model predicted both: the
        models have no common scale (Airola et al. 2011).
        """
        first = self.folds[0].scores
        cases = {case: row for fold in self.folds for case, row in fold.scores.cases.items()}
        answers = [answer for fold in self.folds for answer in fold.answers]
        together = dict(scored(answers).overall) if answers else {}
        if "AUROC" in together:
            together["AUROC"] = float(self._area()(np.ones((1, len(answers))))[0])
        return Scores(cases, first.measure, first.errors, together)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The mean of each part (label, landmark, answer), and its 95% interval over patients.

        How the figures would be with other patients of the same sort; not how they would be with
        models that were trained on others.
        """
        found = part_intervals(self.scores, self.patients)
        if "AUROC" in self.scores.overall:
            whose = [self.patients[name] for fold in self.folds for name, *_ in fold.answers]
            found["AUROC"] = bootstrap(self._area(), whose)
        return found

    def worst(self, count: int = 5) -> list[tuple[str, float]]:
        """The cases that were predicted worst, and the mean of their figures, worst first."""
        known = {
            case: [value for value in row.values() if not isnan(value)]
            for case, row in self.scores.cases.items()
        }
        means = [(case, fmean(values)) for case, values in known.items() if values]
        return sorted(means, key=lambda pair: pair[1], reverse=self.scores.errors)[:count]

    @cached_property
    def ensemble(self) -> Ensemble:
        """All folds' models as one.

        Its own figures are not known, since each patient was seen by most of its members; it is
        mostly somewhat better than they are, and so than :attr:`scores`.

        Raises:
            ValueError: when what they find has no mean, as boxes have not.
        """
        measured = self.to_dict() | {"cases": len(self.scores.cases)}
        del measured["worst"]  # names of patients' scans stay here
        folds = [fold.trained_on for fold in self.folds]
        training = {"cases": len(self.scores.cases), "trained_on": folds}
        members = tuple(fold.model for fold in self.folds)
        return Ensemble(members, training, measured)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to say."""
        found = self.scores.to_dict()
        found["intervals"] = {
            name: [_json(i.low), _json(i.high)] for name, i in self.intervals.items()
        }
        found["patients"] = len(set(self.patients.values()))
        found["folds"] = [
            {
                "trained_on": fold.trained_on,
                "cases": len(fold.scores.cases),
                "mean": _json(fold.scores.mean),
                "overall": {name: _json(value) for name, value in fold.scores.overall.items()},
            }
            for fold in self.folds
        ]
        found["worst"] = [[case, _json(value)] for case, value in self.worst()]
        return found

    def __str__(self) -> str:
        scores = self.scores
        better = "0 is perfect" if scores.errors else "1 is perfect"
        rows = [f"  {name:24} {interval}" for name, interval in self.intervals.items()]
        rows += [
            f"  {name:24} {value:.3g}"
            for name, value in scores.overall.items()
            if name not in self.intervals
        ]
        worst = ", ".join(f"{case} {value:.3g}" for case, value in self.worst())
        return "\n".join(
            [
                f"{scores.measure} of {len(scores.cases)} scans of {len(set(self.patients.values()))}"
                f" patients, each predicted by a model that never saw its patient ({better}; in "
                "brackets, 95% of draws of other patients):",
                *rows,
                *(
                    f"  fold {number}: trained on {fold.trained_on}, {len(fold.scores.cases)} kept "
                    f"back: {_figure(fold.scores)}"
                    for number, fold in enumerate(self.folds, start=1)
                ),
                f"  worst: {worst}",
            ]
        )

    def _area(self) -> Callable[[FloatArray], FloatArray]:
        """The mean area over all words that can be told apart, for intervals."""
        rows = [
            (number, prediction, _words(truth))
            for number, fold in enumerate(self.folds)
            for _, prediction, truth in fold.answers
            if isinstance(prediction, Belief)
        ]
        within = [number for number, *_ in rows]
        shares = np.array([belief.shares for _, belief, _ in rows])
        true = np.array([words for *_, words in rows])
        areas = [area(s, t, within=within) for s, t in zip(shares.T, true.T, strict=True)]

        def mean_area(weights: FloatArray) -> FloatArray:
            each = np.array([one(weights) for one in areas])
            known = ~np.isnan(each)
            total, count = np.where(known, each, 0).sum(0), known.sum(0)
            found: FloatArray = np.full(len(weights), nan)
            np.divide(total, count, out=found, where=count > 0)
            return found

        return mean_area


def cross_validate(
    learn: Task,
    *,
    folds: int | Callable[[Sequence[Case]], list[Split]] = 5,
    minutes: float | None = None,
    epochs: int | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> CrossValidation:
    """Train and measure a model for each fold; see :meth:`medlib.Task.cross_validate`."""
    cases = learn.pairing.cases
    splits = folds(cases) if callable(folds) else k_fold(folds, seed=seed, key=_sort(learn))(cases)
    _check_once(splits, cases)
    each = None if minutes is None else minutes / len(splits)
    Budget(minutes=each, steps=epochs)  # refuses what is no length, before anything is done
    here = None if folder is None else Path(folder)
    done = []
    for number, split in enumerate(splits, start=1):
        identity = _identity(learn, split, each, epochs)
        place = None if here is None else _Place(here, number)
        found = None if place is None else place.read(identity)
        if progress is not None:
            state = "was finished before" if found else f"{len(split[0])} cases to learn from"
            progress(f"fold {number} of {len(splits)}: {state}")
        if found is None:
            found = _trained(learn, split, each, epochs)
            if place is not None:
                found = place.write(found, identity)
        done.append(found)
    return CrossValidation(tuple(done), {case.name: case.patient for case in cases})


def _trained(learn: Task, split: Split, minutes: float | None, epochs: int | None) -> Fold:
    started = time.monotonic()
    length = {} if minutes is None else {"minutes": minutes}
    # Once, at the end, and as the fold's model will predict: the figures are of that.
    task = learn.anew(lambda _: split, validations=1, careful=True, **length)
    learner = task.learner
    learner.callbacks = [c for c in learner.callbacks if not isinstance(c, BestWeights)]
    task.fine_tune(minutes=minutes, epochs=epochs, started=started)
    if not learner.finished:
        raise KeyboardInterrupt
    answers: list[Answer] = []
    if not any(isinstance(truth, Gridded) for truth in [learner.data.valid.truth(0)]):
        answers += learner.predictions()
    return Fold(_unchosen(task.model), task.scores, tuple(answers), len(split[0]))


def _unchosen(model: Model) -> Model:
    """The model, which says of its figures that no weights were chosen by them."""
    metrics = model.manifest.metrics | {"chosen": False}
    return replace(model, manifest=model.manifest.model_copy(update={"metrics": metrics}))


def _sort(learn: Task) -> Callable[[Case], str] | None:
    """By what folds are to be alike: a class that is missing from a fold cannot be told apart."""
    block = learn.learner.data.blocks[-1]
    if not isinstance(block, CategoryBlock):
        return None
    return lambda case: str(case.answers[block.column])


def _check_once(splits: Sequence[Split], cases: Sequence[Case]) -> None:
    names = sorted(case.name for _, valid in splits for case in valid)
    if len(splits) < 2 or names != sorted(case.name for case in cases):
        raise ValueError(
            "cross-validation needs two folds or more, in which each case is kept back exactly once"
        )


def _words(truth: Kind) -> list[bool]:
    assert isinstance(truth, Category | Categories)
    said = (truth.name,) if isinstance(truth, Category) else truth.names
    return [word in said for word in truth.vocabulary]


def _figure(scores: Scores) -> str:
    figures = {"mean": scores.mean} | dict(scores.overall)
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())


def _json(value: float) -> float | None:
    return round(value, 5) if isfinite(value) else None


# --- on disk ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where a fold that is finished lies: its model, its answers, and, written last, its figures."""

    folder: Path
    number: int

    def path(self, ending: str) -> Path:
        return self.folder / f"fold_{self.number}{ending}"

    def write(self, fold: Fold, identity: Mapping[str, str]) -> Fold:
        """Write it, and read it again: what is reported is what lies there."""
        from safetensors.torch import save_file

        self.folder.mkdir(parents=True, exist_ok=True)
        fold.model.save(self.path(".medlib"))
        said, tensors = packed(Item(tuple(kind for _, *both in fold.answers for kind in both)))
        with written_whole(self.path(".safetensors")) as partial:
            save_file(tensors, partial)
        values = {
            "medlib_fold": 1,
            "identity": dict(identity),
            "scores": fold.scores.to_dict(),
            "names": [name for name, *_ in fold.answers],
            "answers": said,
            "trained_on": fold.trained_on,
        }
        with written_whole(self.path(".json")) as partial:
            partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        again = self.read(identity)
        assert again is not None
        return again

    def read(self, identity: Mapping[str, str]) -> Fold | None:
        """The fold, if it is finished.

        Raises:
            ValueError: when what lies there is damaged, or of another cross-validation.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not self.path(".json").exists():
            return None
        try:
            values = json.loads(self.path(".json").read_text(encoding="utf-8"))
            theirs = values["identity"]
            if other := [name for name in identity if theirs.get(name) != identity[name]]:
                raise ValueError(
                    f"it is of another cross-validation ({', '.join(other)} differ); name another "
                    "folder, or go on with what it was begun with"
                )
            kinds = unpacked(values["answers"], load_file(self.path(".safetensors"))).values
            answers = tuple(zip(values["names"], kinds[::2], kinds[1::2], strict=True))
            scores = Scores.from_dict(values["scores"])
            model = load(self.path(".medlib"))
            assert isinstance(model, Model)
            return Fold(model, scores, answers, values["trained_on"])
        except (ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
            raise ValueError(f"{self.path('.json')}: {error}") from error


def _identity(
    learn: Task, split: Split, minutes: float | None, epochs: int | None
) -> dict[str, str]:
    """What must be the same for a fold to be the same one, by what it is called."""
    learner, plan = learn.learner, learn.plan.to_dict()
    known = {
        "the cases": [[case.name, case.patient] for case in learn.pairing.cases],
        "the training cases": sorted(case.name for case in split[0]),
        "what is known of them": [_state(case) for side in split for case in side],
        "what is asked": repr(learn.output),
        "the plan": plan,
        "the length": [minutes, epochs],
        "the choices": [learner.seed, learner.batch_size, learner.accumulate, learner.rate],
        "the pretrained weights": str(learn.loaded),
    }
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for name, value in known.items()
    }


def _state(case: Case) -> list[Any]:
    """What is known of a case: answers, and files by size and time of change."""
    files = [path for path in (case.label, case.points, *case.masks.values()) if path is not None]
    return [
        case.name,
        sorted(case.answers.items()),
        list(case.annotated or ()),
        *(list(_changed(path)) for path in files),
    ]


def _changed(path: Path) -> Iterator[int]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        stat = file.stat()
        yield from (stat.st_size, stat.st_mtime_ns)
