"""Scans and what is known of them, a plan made from them, and a network in training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from medlib import io
from medlib.cross_validation import CrossValidation, dealt, trained
from medlib.data import Case, Pairing
from medlib.data.splitters import Split
from medlib.infer import Output
from medlib.models import Architecture, Loaded, OwnNetwork
from medlib.package import Model
from medlib.train import Learner, Plan, Scores, Unfreeze
from medlib.train.measured import Measured
from medlib.types import Kind, Labels, Volume

_HEAD_ALONE = 0.1  # share of a training in which only the head of a pretrained network learns


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
        own: the network as it was given, if one was; ``plan.architecture`` plays no part then.
    """

    def __init__(
        self,
        pairing: Pairing,
        plan: Plan,
        learner: Learner,
        *,
        anew: Callable[..., Task],
        loaded: Loaded | None = None,
        own: OwnNetwork | None = None,
    ) -> None:
        self.pairing = pairing
        self.plan = plan
        self.learner = learner
        self.anew = anew
        self.loaded = loaded
        self.own = own
        self._measured: Measured | None = None

    @property
    def output(self) -> Output:
        """What is asked of the network."""
        return self.learner.output

    @property
    def labels(self) -> Labels:
        """The structures to be found, if it is structures."""
        return self.pairing.labels

    @property
    def architecture(self) -> Architecture | OwnNetwork:
        """What the network is."""
        return self.plan.architecture if self.own is None else OwnNetwork(self.learner.network)

    @property
    def scores(self) -> Scores:
        """How good the predictions of the validation cases are, as last measured."""
        return self.learner.scores

    @property
    def measured(self) -> Measured:
        """The scores, with all other figures and how sure each is."""
        if self._measured is None or self._measured.scores is not self.scores:  # it takes a while
            whose = {case.name: case.patient for case in self.learner.data.valid.cases}
            self._measured = Measured(self.scores, whose)
        return self._measured

    def fine_tune(
        self,
        *,
        minutes: float | None = None,
        epochs: int | None = None,
        started: float | None = None,
    ) -> Scores:
        """Train, for a time or a number of rounds; the best weights are kept.

        A network with pretrained weights learns with its head alone for the first tenth, and then all
        of it, the first layers slowest; the rate follows the plan either way.

        Args:
            minutes: of wall-clock time, the last validation included; or
            epochs: rounds through the training scans. Without either, the plan's minutes.
            started: ``time.monotonic()`` at which the minutes began; left out, now.

        Returns:
            The scores of the validation cases.
        """
        if minutes is None and epochs is None:
            minutes = self.plan.minutes
        budget = self.learner.budget_for(minutes, epochs, started)
        thaw = [] if self.loaded is None else [Unfreeze(_HEAD_ALONE)]
        return self.learner.fit(budget, callbacks=[*thaw, self.plan.cycle()])

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
                trained again, and one that was interrupted goes on where it was last written down,
                as a training with a checkpoint does. Left out, nothing is written.
            seed: of the folds.
            progress: told a line for each fold.

        Raises:
            ValueError: when several processes were launched (let each train folds of its own, with
                CUDA_VISIBLE_DEVICES), when there are too few patients, or folds that lie in the folder, finished or
                not, are of another cross-validation.
            KeyboardInterrupt: after Ctrl-C; what lies in the folder stays there.
        """
        if self.learner.processes.count > 1:
            raise ValueError(
                f"{self.learner.processes.count} processes were launched, and a cross-validation runs "
                "in one; start it with python or medlib rather than torchrun or accelerate launch"
            )
        splits = dealt(self, folds, seed)
        each = None if minutes is None else minutes / len(splits)
        place = None if folder is None else Path(folder)
        return trained(self, splits, each, epochs, place, progress or (lambda _: None))

    @property
    def model(self) -> Model:
        """The model as it is now."""
        data = self.learner.data
        training = self.learner.summary() | {
            "cases": len(data.train),
            "patients": len({case.patient for case in data.train.cases}),
            "reasons": list(self.plan.reasons),
        }
        measured = self.measured.to_dict()
        del measured["metrics"]  # which names scans, as cases does
        metrics = measured | {"grid": "native", "cases": len(data.valid)}
        return Model.describe(
            self.learner.predictor, self.architecture, training=training, metrics=metrics
        )

    def predict(self, study: Volume | io.Stack | str | Path) -> Kind:
        """What is found in a scan, where it is in it; see :meth:`medlib.package.Model.predict`."""
        # Without its figures, whose intervals take time.
        model = Model.describe(self.learner.predictor, self.architecture, training={}, metrics={})
        found: Kind = model.predict(study)
        return found

    def save(self, path: str | Path) -> Path:
        """Write the model as one file, to be read by :func:`load` anywhere.

        A network that was given is not in it: whoever reads it brings one along again, made in the
        same way, ``medlib.load(path, network=…)``.
        """
        if not self.learner.processes.leads:  # the first of several writes it
            return Path(path)
        return self.model.save(path)
