"""Layer 1: learn something of scans, in a few lines.

Example, with a folder of scans and one of their label maps::

    learn = medlib.segmenter("scans", "labels", kind=medlib.MRVolume)
    learn.fine_tune(minutes=20)
    print(learn.scores.labels)          # Dice of each structure, on patients kept back
    learn.save("liver.medlib")

    model = medlib.load("liver.medlib")
    mask = model.predict("a/new/scan.nii.gz")

A table of scans and answers is learned from in the same way, by :func:`classifier` (one of several
words, or yes and no to several questions) and :func:`regressor` (a number with a unit), files of
landmarks by :func:`landmarks`, and boxes around findings by :func:`detector`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from medlib import io
from medlib.cross_validation import CrossValidation, cross_validate
from medlib.data import (
    Block,
    BoxesBlock,
    Case,
    CategoriesBlock,
    CategoryBlock,
    DataBlock,
    MaskBlock,
    MeasurementBlock,
    MultiVolumeBlock,
    Pairing,
    PointsBlock,
    Splitter,
    Store,
    VolumeBlock,
    by_patient,
    pair,
    pair_boxes,
    with_boxes,
)
from medlib.data.caching import usual_store
from medlib.data.knowing import pair_points, with_answers, with_points
from medlib.data.splitters import Split, as_marked
from medlib.data.tables import from_table, labelled
from medlib.infer import Output
from medlib.models import Architecture, Loaded, load_pretrained
from medlib.package import Ensemble, Model, ModelError, load
from medlib.train import Callback, Fingerprint, Learner, Plan, Scores, loss, plan_for
from medlib.train.fingerprint import ScanKind
from medlib.train.intervals import part_intervals
from medlib.train.plan import kind_of
from medlib.types import Kind, Labels, Volume

KindOf = type[Volume] | str | Mapping[str, type[Volume] | str]
"""The kind of scans; of several series, the kind of each by its name."""

_BROKEN = 0.1  # of all cases; of these one, or so many, may be set aside

_SPREAD = 10.0  # how much slower the first layers learn than the head, where they know something


class Task:
    """Scans and what is known of them, a plan made from them, and a network in training.

    Made by :func:`segmenter`, :func:`classifier`, :func:`regressor`, :func:`landmarks` and
    :func:`detector`. Every part is open: ``pairing``, ``plan``, ``learner``.

    Args:
        pairing: the cases, and what was set aside.
        plan: how to learn.
        learner: the network in training.
        anew: prepares the same task anew for another split, with other arguments of the learner.
        loaded: what became of pretrained weights, if there are any.
    """

    def __init__(
        self,
        pairing: Pairing,
        plan: Plan,
        learner: Learner,
        *,
        anew: Callable[..., Task],
        loaded: Loaded | None = None,
    ) -> None:
        self.pairing = pairing
        self.plan = plan
        self.learner = learner
        self.anew = anew
        self.loaded = loaded

    @property
    def output(self) -> Output:
        """What is asked of the network."""
        return self.learner.output

    @property
    def labels(self) -> Labels:
        """The structures to be found, if it is structures."""
        return self.pairing.labels

    @property
    def scores(self) -> Scores:
        """How good the predictions of the validation cases are, as last measured."""
        return self.learner.scores

    def fine_tune(
        self,
        *,
        minutes: float | None = None,
        epochs: int | None = None,
        started: float | None = None,
    ) -> Scores:
        """Train, for a time or a number of rounds; the best weights are kept.

        A network with pretrained weights learns with its head alone at first, and then all of it,
        the first layers slowest; see :meth:`medlib.train.Learner.fine_tune`.

        Args:
            minutes: of wall-clock time, the last validation included; or
            epochs: rounds through the training scans. Without either, the plan's minutes.
            started: ``time.monotonic()`` at which the minutes began; left out, now.

        Returns:
            The scores of the validation cases.
        """
        if minutes is None and epochs is None:
            minutes = self.plan.minutes
        if self.loaded is not None:
            return self.learner.fine_tune(minutes=minutes, epochs=epochs, started=started)
        budget = self.learner.budget_for(minutes, epochs, started)
        return self.learner.fit(budget, callbacks=[self.plan.cycle()])

    def cross_validate(
        self,
        *,
        folds: int | Callable[[Sequence[Case]], list[Split]] = 5,
        minutes: float | None = None,
        epochs: int | None = None,
        folder: str | Path | None = None,
        seed: int = 0,
        progress: Callable[[str], None] | None = None,
    ) -> CrossValidation:
        """Train a model for each fold, and predict every case by the one that never saw its patient.

        Each fold makes its own plan from its own training cases, unless one was given to this task,
        and trains a network of its own; what this task has learned so far plays no part. The
        weights are those at the end of the training: none are chosen by the cases that are
        reported (:meth:`fine_tune` keeps the best ones). Splits that the source states are not
        followed.

        Example::

            found = medlib.segmenter("scans", "labels", kind="mr").cross_validate(minutes=60)
            print(found)                        # a table: each structure, with its interval
            found.ensemble.save("liver.medlib")  # all of them as one model

        Args:
            folds: how many, 2 or more; or from cases to splits, such as
                ``k_fold(5, key=lambda case: case.site)``. Left to a number, patients are dealt at
                random, for a classifier so that the folds have about as many of each answer.
            minutes: of wall-clock time for all folds together, each an equal share of them; or
            epochs: rounds through the training scans, in each fold.
            folder: for the folds' models and figures. Folds that are finished there are not
                trained again, so that what was interrupted goes on with the next. Left out,
                nothing is written.
            seed: of the folds.
            progress: told a line for each fold.

        Raises:
            ValueError: when there are too few patients, or folds that lie in the folder are of
                another cross-validation.
            KeyboardInterrupt: after Ctrl-C; finished folds stay in the folder.
        """
        return cross_validate(
            self,
            folds=folds,
            minutes=minutes,
            epochs=epochs,
            folder=folder,
            seed=seed,
            progress=progress,
        )

    @property
    def model(self) -> Model:
        """The model as it is now."""
        data = self.learner.data
        training = self.learner.summary() | {
            "cases": len(data.train),
            "patients": len({case.patient for case in data.train.cases}),
            "reasons": list(self.plan.reasons),
        }
        measured = self.scores.to_dict()
        whose = {case.name: case.patient for case in data.valid.cases}
        sure = part_intervals(self.scores, whose)
        metrics = {
            "measure": measured["measure"],
            "grid": "native",
            "cases": len(data.valid),
            "mean": measured["mean"],
            "patients": len(set(whose.values())),
            "labels": measured["labels"],
            "intervals": {n: [_json(end) for end in (i.low, i.high)] for n, i in sure.items()},
            "overall": measured["overall"],
        }
        return Model.describe(
            self.learner.predictor, self.plan.architecture, training=training, metrics=metrics
        )

    def predict(self, study: Volume | io.Stack | str | Path) -> Kind:
        """What is found in a scan, where it is in it; see :meth:`medlib.package.Model.predict`."""
        found: Kind = self.model.predict(study)
        return found

    def save(self, path: str | Path) -> Path:
        """Write the model as one file, to be read by :func:`load` anywhere."""
        return self.model.save(path)


def task(
    pairing: Pairing,
    target: Callable[[Sequence[Case]], Block],
    *,
    kind: KindOf,
    validation: Splitter | float | None = None,
    only: Collection[str] | None = None,
    plan: Plan | None = None,
    minutes: float = 20.0,
    pretrained: str | Path | None = None,
    cache: Store | str | Path | bool = True,
    seed: int = 0,
    callbacks: Iterable[Callback] = (),
    **learner: Any,
) -> Task:
    """Prepare to learn anything that a block can say of a case.

    Args:
        pairing: the cases.
        target: what is to be learned, given the cases to be trained on.
        kind: of the scans: a class such as ``CTVolume``, or ``"ct"``, ``"mr"``, ``"pet"``, ``"us"``,
            ``"xr"``; of several series the kind of each, ``{"T1": "mr", "FLAIR": "mr"}``, in the
            order in which the network is to see them.
        validation: a share of the patients to keep back, or a splitter; left out, the split that
            the source states, or a fifth of the patients.
        only: names of the scans to use; left out, all of which the answer is known.
        plan: how to learn; left out, made from the data, this machine and
        minutes: that there will be.
        pretrained: weights to begin with, a model package or what else
            :func:`medlib.models.load_pretrained` reads. The network is that of the package, where
            it can see such scans; which of the weights fitted is in ``plan.reasons``. Its layers
            then learn at different rates (``spread``: the first ten times slower than the head).
        cache: where scans are kept once they are prepared, so that the next training begins at
            once and memory does not limit their number: a folder, a :class:`medlib.data.Store`,
            or False for nowhere but memory. Left out, :func:`medlib.data.caching.cache_folder`
            says where. What lies there are patients' scans.
        seed: of everything random.
        callbacks: for the learner.
        learner: further arguments of :class:`medlib.train.Learner`.

    Raises:
        ValueError: when more than a few cases are damaged or do not fit what is known of them, with
            the reasons (a few are set aside, with theirs, in ``task.pairing.set_aside``); for a
            kind or a name in ``only`` that there is not, and for a plan for another kind.
    """
    scan_kind = kind_of(kind)
    if plan is not None and plan.kind != scan_kind:
        raise ValueError(
            f"this plan was made for {_called(plan.kind)}, and the scans are to be read as "
            f"{_called(scan_kind)}; make another"
        )
    callbacks = tuple(callbacks)
    choices = {"kind": kind, "plan": plan, "minutes": minutes, "pretrained": pretrained}
    choices |= {"cache": cache, "seed": seed, "callbacks": callbacks} | learner
    if missing := sorted(set(only or ()) - {case.name for case in pairing.cases}):
        raise ValueError(f"there is no labelled scan called {', '.join(missing[:5])}")
    cases = [case for case in pairing.cases if only is None or case.name in only]
    train, valid = _splitter(validation, cases, seed)(cases)
    seen = _seen(scan_kind, cases)
    block = DataBlock(
        blocks=(seen, target(train)),
        get_items=lambda found: found,
        splitter=lambda _: (train, valid),
    )
    raw = block.datasets(cases, seed=seed, store=_store(cache), broken=_BROKEN)  # now, not later
    broken = {name for name, _ in raw.set_aside}
    pairing = replace(
        pairing,
        cases=tuple(case for case in cases if case.name not in broken),
        set_aside=(*pairing.set_aside, *raw.set_aside),
    )
    asked = raw.output
    if plan is None:
        fingerprint = Fingerprint.of(raw.train, beside=raw.valid.cases)
        plan = plan_for(fingerprint, type(asked), minutes=minutes)
        plan = plan if pretrained is None else _with_network_of(pretrained, plan, asked)
    data = raw.transformed(plan.preprocess, plan.augment)
    torch.manual_seed(seed)
    network = plan.architecture.build(data.channels, asked.channels)
    arguments = _arguments(plan) | {"seed": seed}
    loaded = None
    if pretrained is not None:
        loaded = load_pretrained(network, pretrained)
        plan = replace(plan, reasons=(*plan.reasons, f"begun with other weights: {loaded}"))
        arguments["spread"] = _SPREAD
    also = (*plan.callbacks(), *callbacks)
    learn = Learner(network, data, callbacks=also, **(arguments | learner))
    return Task(pairing, plan, learn, anew=_anew(pairing, target, choices), loaded=loaded)


def segmenter(
    scans: str | Path | Pairing,
    labels: str | Path | None = None,
    *,
    kind: KindOf,
    **choices: Any,
) -> Task:
    """Prepare to learn to outline structures from scans and their labels.

    Args:
        scans: a folder of DICOM, NIfTI or radiographs; or, without ``labels``, a data set in
            nnU-Net's or the Decathlon's layout, a table that names both (see
            :func:`medlib.data.from_table`), or cases.
        labels: a folder of NIfTI label maps, DICOM SEG, or PNG of radiographs; may be the same one.
        kind: of the scans; see :func:`task`.
        choices: how to go about it; see :func:`task`.

    Raises:
        FileNotFoundError: when a folder does not exist.
        ValueError: when scans and labels do not fit, naming the file, and as :func:`task` does.
    """
    if isinstance(scans, Pairing):
        pairing = scans
    else:
        pairing = labelled(scans) if labels is None else pair(Path(scans), Path(labels))
    return task(pairing, lambda _: MaskBlock(pairing.labels), kind=kind, **choices)


def classifier(
    table: str | Path | Pairing,
    answers: str | Sequence[str],
    *,
    kind: KindOf,
    **choices: Any,
) -> Task:
    """Prepare to learn answers about whole scans.

    Example::

        learn = medlib.classifier("adrenals.csv", "diagnosis", kind="ct")
        learn.fine_tune(minutes=20)
        learn.scores.overall               # {"AUROC": …, "balanced accuracy": …}
        learn.predict("a/new/scan.nii.gz")  # a Belief: how likely each diagnosis is

    Args:
        table: a CSV file with a row a scan (see :func:`medlib.data.from_table`), or cases.
        answers: the column that holds one of several words; or columns, each answered yes or no,
            of which any number may be true.
        kind: of the scans.
        choices: how to go about it; see :func:`task`.

    Raises:
        ValueError: when a column holds a single answer, or numbers, and as :func:`task` does.
    """
    columns = (answers,) if isinstance(answers, str) else tuple(answers)
    pairing = with_answers(_cases(table), columns)
    if not isinstance(answers, str):
        return task(pairing, lambda _: CategoriesBlock(columns), kind=kind, **choices)
    words = Counter(str(case.answers[answers]) for case in pairing.cases)
    if len(words) < 2 or max(words.values()) < 2:
        said = "every case says the same" if len(words) < 2 else "no two cases say the same"
        raise ValueError(
            f"of {answers!r} {said}, so there is nothing to tell apart; for numbers there is "
            "medlib.regressor"
        )
    vocabulary = tuple(sorted(words))
    return task(pairing, lambda _: CategoryBlock(answers, vocabulary), kind=kind, **choices)


def regressor(
    table: str | Path | Pairing,
    answer: str,
    unit: str,
    *,
    kind: KindOf,
    **choices: Any,
) -> Task:
    """Prepare to learn to estimate a number from whole scans.

    Scans are learned from as large as they are; a plan for measurements stretches none.

    Example::

        learn = medlib.regressor("spleens.csv", "volume", "ml", kind="ct")
        learn.fine_tune(minutes=20)
        learn.predict("a/new/scan.nii.gz")  # a Measurement, in ml

    Args:
        table: a CSV file with a row a scan (see :func:`medlib.data.from_table`), or cases.
        answer: the column that holds the number.
        unit: of all of its numbers, a UCUM code such as ``"ml"``; ``"1"`` for none.
        kind: of the scans.
        choices: how to go about it; see :func:`task`.

    Raises:
        ValueError: when the column holds words, and as :func:`task` does.
    """
    pairing = with_answers(_cases(table), (answer,))
    block = MeasurementBlock(answer, unit)
    return task(pairing, lambda train: block.scaled_to(list(train)), kind=kind, **choices)


def landmarks(
    scans: str | Path | Pairing,
    points: str | Path | None = None,
    *,
    kind: KindOf,
    names: Sequence[str] = (),
    **choices: Any,
) -> Task:
    """Prepare to learn where landmarks are.

    Example::

        learn = medlib.landmarks("scans", "points", kind="mr")
        learn.fine_tune(minutes=20)
        learn.scores.labels                # mean distance of each landmark, in mm
        learn.predict("a/new/scan.nii.gz")  # Points, LPS millimetres in the scan's own space

    Args:
        scans: a folder of DICOM or NIfTI; or, without ``points``, a table that names them (see
            :func:`medlib.data.from_table`), or cases.
        points: a folder of 3D Slicer's markups (``.mrk.json``, ``.fcsv``), named as their scans.
        kind: of the scans.
        names: of the landmarks; left out, all that any file names.
        choices: how to go about it; see :func:`task`.

    Raises:
        FileNotFoundError: when a folder does not exist.
        ValueError: when no scan has all of the landmarks, and as :func:`task` does.
    """
    found = _cases(scans) if points is None else pair_points(Path(scans), Path(points))  # type: ignore[arg-type]
    pairing, wanted = with_points(found, tuple(names))
    return task(pairing, lambda _: PointsBlock(wanted), kind=kind, **choices)


def detector(
    scans: str | Path | Pairing,
    boxes: str | Path | None = None,
    *,
    kind: KindOf,
    labels: Sequence[str] = (),
    **choices: Any,
) -> Task:
    """Prepare to learn to find lesions, nodules and the like, each with a box around it.

    A scan in which nothing was found is learned from too, if its file says so: an empty list of
    markups, or a row of the table without coordinates. One without a file is left out.

    Example::

        learn = medlib.detector("scans", "boxes", kind="ct")
        learn.fine_tune(minutes=20)
        learn.scores.overall               # {"FROC": …, "mAP": …}
        found = learn.predict("a/new/scan.nii.gz")  # Boxes with scores, the surest first
        medlib.save(found, "nodules.mrk.json")      # for 3D Slicer

    Args:
        scans: a folder of DICOM or NIfTI; or, without ``boxes``, a table that names them (see
            :func:`medlib.data.from_table`), or cases.
        boxes: a table of boxes, a folder of 3D Slicer's regions of interest, or one of label maps,
            of which each connected part is a finding; see :func:`medlib.data.pair_boxes`.
        kind: of the scans.
        labels: of what is to be found; left out, all that any file names.
        choices: how to go about it; see :func:`task`.

    Raises:
        FileNotFoundError: when a path does not exist.
        ValueError: when nothing is known of any scan, a box has another label or lies outside its
            scan, and as :func:`task` does.
    """
    found = _cases(scans) if boxes is None else pair_boxes(Path(scans), Path(boxes))  # type: ignore[arg-type]
    pairing = with_boxes(found, tuple(labels))
    return task(pairing, lambda _: BoxesBlock(pairing.labels), kind=kind, **choices)


# --- beginning and beginning anew -------------------------------------------------------------


def _anew(
    pairing: Pairing, target: Callable[[Sequence[Case]], Block], choices: dict[str, Any]
) -> Callable[..., Task]:
    """The same task for another split."""

    def anew(split: Splitter, **others: Any) -> Task:
        return task(pairing, target, validation=split, **(choices | others))

    return anew


def _store(cache: Store | str | Path | bool) -> Store | None:
    if isinstance(cache, bool):
        return usual_store() if cache else None
    return cache if isinstance(cache, Store) else Store(cache)


def _with_network_of(source: str | Path, plan: Plan, asked: Output) -> Plan:
    """The plan with the network of a model package: weights fit no other network as well.

    Of other files of weights, and of networks that answer otherwise or halve what the plan's
    windows have too few voxels for, the plan stays as it is.

    Raises:
        ValueError: when the package holds several models.
    """
    try:
        model = load(source)
    except (FileNotFoundError, ModelError):  # no package; whether it is weights is seen later
        return plan
    if isinstance(model, Ensemble):
        raise ValueError(
            f"{source} holds {len(model.members)} models; begin with one, such as a package that "
            "a cross-validation has left in its folder"
        )
    theirs = model.manifest.network
    architecture = Architecture(theirs.name, theirs.arguments)
    alike = (model.output.voxelwise, model.output.whole) == (asked.voxelwise, asked.whole)
    if not alike or any(n % d for n, d in zip(plan.window, architecture.divisor, strict=True)):
        return plan
    reasons = (*plan.reasons, "the network is that of the pretrained model")
    return replace(plan, architecture=architecture, reasons=reasons)


def _json(value: float) -> float | None:
    return round(value, 5) if isfinite(value) else None


# --- finding cases --------------------------------------------------------------------------------


def _seen(kind: ScanKind, cases: Sequence[Case]) -> VolumeBlock | MultiVolumeBlock:
    """What the network is shown.

    Raises:
        ValueError: when cases have several series, and one kind was said.
    """
    if not isinstance(kind, type):
        return MultiVolumeBlock(kind)
    if several := next((case for case in cases if case.series), None):
        each = ", ".join(f'"{name}": …' for name in several.series)
        raise ValueError(
            f"{several.name} has the series {', '.join(several.series)}; say the kind of each "
            f"that is to be seen: kind={{{each}}}"
        )
    return VolumeBlock(kind)


def _called(kind: ScanKind) -> str:
    if isinstance(kind, type):
        return kind.__name__
    return ", ".join(f"{name} ({one.__name__})" for name, one in kind)


def _arguments(plan: Plan) -> dict[str, Any]:
    """What a plan says of the loop."""
    parts = ("window", "overlap", "batch_size", "rate", "workers")
    smoothed = {"loss": partial(loss, smoothing=plan.smoothing)} if plan.smoothing else {}
    said = {part: getattr(plan, part) for part in parts}
    return said | smoothed | {"looks": plan.looking()}


def _splitter(validation: Splitter | float | None, cases: Sequence[Case], seed: int) -> Splitter:
    if callable(validation):
        return validation
    if validation is None and any(case.split == "valid" for case in cases):
        return as_marked()
    return by_patient(0.2 if validation is None else validation, seed=seed)


def _cases(source: str | Path | Pairing) -> Pairing:
    return source if isinstance(source, Pairing) else from_table(source)
