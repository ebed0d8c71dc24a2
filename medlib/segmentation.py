"""Layer 1: find structures in scans, in a few lines.

Example, with a folder of scans and one of their label maps::

    learn = medlib.segmenter("scans", "labels", kind=medlib.MRVolume)
    learn.fine_tune(minutes=20)
    print(learn.scores.labels)          # Dice of each structure, on patients kept back
    learn.save("liver.medlib")

    model = medlib.load("liver.medlib")
    mask = model.predict("a/new/scan.nii.gz")
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import torch

from medlib import io
from medlib.data import DataBlock, MaskBlock, Pairing, Splitter, VolumeBlock, by_patient, pair
from medlib.package import Model
from medlib.train import Callback, Fingerprint, Learner, Plan, Scores
from medlib.types import SCAN_KINDS, Labels, Mask, Volume


class Segmenter:
    """Scans with labels, a plan made from them, and a network in training.

    Made by :func:`segmenter`. Every part is open: ``pairing``, ``plan``, ``learner``.
    """

    def __init__(self, pairing: Pairing, plan: Plan, learner: Learner) -> None:
        self.pairing = pairing
        self.plan = plan
        self.learner = learner

    @property
    def labels(self) -> Labels:
        """What is to be found."""
        return self.pairing.labels

    @property
    def scores(self) -> Scores:
        """Dice of the validation cases, on their own grids, as last measured."""
        return self.learner.scores

    def fine_tune(
        self,
        *,
        minutes: float | None = None,
        epochs: int | None = None,
        started: float | None = None,
    ) -> Scores:
        """Train, for a time or a number of rounds; the best weights are kept.

        Args:
            minutes: of wall-clock time, the last validation included; or
            epochs: rounds through the training scans.
            started: ``time.monotonic()`` at which the minutes began; left out, now.

        Returns:
            The scores of the validation cases.
        """
        return self.learner.fit_one_cycle(minutes=minutes, epochs=epochs, started=started)

    @property
    def model(self) -> Model:
        """The model as it is now."""
        data = self.learner.data
        training = self.learner.summary() | {
            "cases": len(data.train),
            "reasons": list(self.plan.reasons),
        }
        measured = self.scores.to_dict()
        metrics = {
            "measure": measured["measure"],
            "grid": "native",
            "cases": len(data.valid),
            "mean": measured["mean"],
            "labels": measured["labels"],
        }
        return Model.describe(
            self.learner.predictor, self.plan.architecture, training=training, metrics=metrics
        )

    def predict(self, study: Volume | io.Stack | str | Path) -> Mask:
        """The mask of a scan, on exactly its own grid; see :meth:`medlib.package.Model.predict`."""
        mask: Mask = self.model.predict(study)
        return mask

    def save(self, path: str | Path) -> Path:
        """Write the model as one file, to be read by :func:`load` anywhere."""
        return self.model.save(path)


def segmenter(
    scans: str | Path,
    labels: str | Path,
    *,
    kind: type[Volume] | str,
    validation: Splitter | float = 0.2,
    only: Collection[str] | None = None,
    seed: int = 0,
    callbacks: Iterable[Callback] = (),
    **learner: Any,
) -> Segmenter:
    """Prepare to learn to outline structures from scans and their labels.

    Args:
        scans: a folder of DICOM or NIfTI.
        labels: a folder of NIfTI label maps or DICOM SEG; may be the same one.
        kind: of the scans: a class such as ``CTVolume``, or ``"ct"``, ``"mr"``, ``"pet"``.
        validation: a share of the patients to keep back, or a splitter.
        only: names of the scans to use; left out, all that have labels.
        seed: of everything random.
        callbacks: for the learner.
        learner: further arguments of :class:`medlib.train.Learner`.

    Raises:
        FileNotFoundError: when a folder does not exist.
        ValueError: when scans and labels do not fit, naming the file; for a kind or a name in
            ``only`` that there is not.
    """
    scan_kind = _kind(kind)
    splitter = validation if callable(validation) else by_patient(validation, seed=seed)
    pairing = pair(Path(scans), Path(labels))
    if missing := sorted(set(only or ()) - {case.name for case in pairing.cases}):
        raise ValueError(f"there is no labelled scan called {', '.join(missing[:5])}")
    block = DataBlock(
        blocks=(VolumeBlock(scan_kind), MaskBlock(pairing.labels)),
        get_items=lambda found: [c for c in found.cases if only is None or c.name in only],
        splitter=splitter,
    )
    raw = block.datasets(pairing, seed=seed)
    for number in range(len(raw.valid)):  # what is wrong with them shows now, not in ten minutes
        raw.valid.truth(number)
    plan = Plan.make(Fingerprint.of(raw.train))
    data = raw.transformed(plan.preprocess, plan.augment)
    torch.manual_seed(seed)
    scan, target = data.blocks
    network = plan.architecture.build(scan.channels, target.output.channels)
    arguments = {"batch_size": plan.batch_size, "seed": seed} | learner
    return Segmenter(
        pairing, plan, Learner(network, data, window=plan.window, callbacks=callbacks, **arguments)
    )


def _kind(kind: type[Volume] | str) -> type[Volume]:
    if not isinstance(kind, str):
        return kind
    if kind not in SCAN_KINDS:
        raise ValueError(f"{kind!r} is no kind of scan; there are: {', '.join(SCAN_KINDS)}")
    return SCAN_KINDS[kind]


def load(path: str | Path) -> Model:
    """Read a model package; see :meth:`medlib.package.Model.load`."""
    return Model.load(path)
