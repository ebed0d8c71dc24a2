"""Predicting every scan in a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medlib import io
from medlib._version import __version__
from medlib.infer import (
    BeliefOutput,
    BoxesOutput,
    MaskOutput,
    MeasurementOutput,
    MultiVolumeOutput,
    Output,
    PointsOutput,
    VolumeOutput,
)
from medlib.ledger import Ledger, Prediction, entries, state_of
from medlib.package import Ensemble, Model
from medlib.types import Kind, Mask, Volume, verb


@verb
def forms(output: Output) -> Mapping[str, str]:
    """The forms in which what a model finds is written, and how the files' names end.

    The first is the usual one. Answers have none: they are in the table of all scans. What nothing
    else is registered for is written as medlib's own ``.json``, by :func:`medlib.io.save`.

    Example:
        >>> forms(PointsOutput(("carina",)))
        {'markups': '.mrk.json'}
    """
    raise AssertionError


@forms.register
def _(output: Output) -> Mapping[str, str]:
    return {"json": ".json"}


@forms.register
def _(output: MaskOutput) -> Mapping[str, str]:
    return {"nifti": ".nii.gz", "seg": ".dcm"}


@forms.register
def _(output: PointsOutput) -> Mapping[str, str]:
    return {"markups": ".mrk.json"}


@forms.register
def _(output: BoxesOutput) -> Mapping[str, str]:
    return {"markups": ".mrk.json", "json": ".json"}


@forms.register
def _(output: VolumeOutput) -> Mapping[str, str]:
    return {"nifti": ".nii.gz"}


@forms.register
def _(output: MultiVolumeOutput) -> Mapping[str, str]:
    raise ValueError(
        "this model makes several volumes of one scan, which are not written for whole folders; "
        "predict scan by scan, and save each part of what comes"
    )


@forms.register
def _(output: BeliefOutput | MeasurementOutput) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class BatchReport:
    """What became of a folder.

    Args:
        model: digest of the weights used.
        predictions: of the scans that were predicted now.
        earlier: names of the scans that had been predicted before, and were left as they were.
        refusals: of all else: where, and why.
    """

    model: str
    predictions: tuple[Prediction, ...]
    earlier: tuple[str, ...]
    refusals: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "predictions": [prediction.to_dict() for prediction in self.predictions],
            "earlier": list(self.earlier),
            "refusals": [{"where": where, "reason": reason} for where, reason in self.refusals],
        }

    def __str__(self) -> str:
        lines = []
        for done in self.predictions:
            lines.append(str(done))
            lines += [f"  warning: {warning}" for warning in done.warnings]
        lines += [f"refused: {where}: {reason}" for where, reason in self.refusals]
        before = f"{len(self.earlier)} done before, " if self.earlier else ""
        lines.append(f"{len(self.predictions)} predicted, {before}{len(self.refusals)} refused")
        return "\n".join(lines)


def predict_all(
    model: Model | Ensemble,
    source: str | Path,
    out: str | Path,
    *,
    formats: Sequence[str] = (),
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> BatchReport:
    """Predict every scan at ``source`` and write what was found into ``out``.

    Structures become masks, landmarks and boxes lists of markups; see :func:`forms`. All that numbers and
    words can say is in ``predictions.csv``, a row a scan, and for programs in ``predictions.jsonl``.

    A scan that cannot be used becomes a refusal and does not stop the others. Each file is
    written whole or not at all, and a line is written as soon as its scan is done: called again
    after an interruption, only the scans that are not yet done are predicted.

    Args:
        model: to predict with.
        source: a file, folder or .zip of DICOM or NIfTI.
        out: folder; made if it is not there. Files are named after their scan. It may lie inside
            ``source``: what is in it is not predicted.
        formats: of the :func:`forms` of what the model finds; left out, the first. For masks
            ``"nifti"``, ``"seg"`` (DICOM SEG, for scans that are DICOM), or both.
        overwrite: predict all scans, and replace files that are already there. Else what this
            model has made of the same scan is kept, and anything else that is there is a refusal.
        progress: told a line now and then.

    Raises:
        FileNotFoundError: when there is nothing at ``source``.
        ValueError: when there is not one scan, usable or not; for a format that there is not; for
            a model that is shown more than a scan; or when ``out`` is ``source``, since scans and
            results could not be told apart the next time.
    """
    root, folder = Path(source).resolve(), Path(out).resolve()
    if folder == root:
        raise ValueError(f"{out} holds the scans: name another folder for the results")
    kind, endings = model.kind, _endings(model, formats)
    found = io.survey(source)
    inner = folder if folder.is_relative_to(root) else None
    stacks = [s for s in found.stacks if not (inner and _inside(s, inner))]
    if not (stacks or found.refusals):
        raise ValueError(f"there are no DICOM or NIfTI scans in {source}")
    refusals = [(refusal.where, refusal.reason) for refusal in found.refusals]
    predictions, earlier, jobs, ledger = [], [], [], Ledger(folder)
    for stack in stacks:
        try:
            job = _Job.of(stack, model, folder, endings)
            done = not overwrite and job.done_before(ledger)
        except (ValueError, FileExistsError) as error:
            refusals.append((stack.name, str(error)))
        else:
            earlier += [stack.name] if done else []
            jobs += [] if done else [job]
    begun = time.monotonic()
    try:
        for number, job in enumerate(jobs):
            if progress is not None:
                left = _left((time.monotonic() - begun) * (len(jobs) - number), number)
                progress(f"{number + 1}/{len(jobs)} {job.stack.name}{left}")
            try:
                predictions.append(job.run(model, kind))
                ledger.add(predictions[-1])
            except (ValueError, FileExistsError) as error:
                refusals.append((job.stack.name, str(error)))
            except (MemoryError, torch.OutOfMemoryError):
                refusals.append((job.stack.name, "it is too large for this machine's memory"))
    finally:
        ledger.write_table()
    return BatchReport(model.digest, tuple(predictions), tuple(earlier), tuple(refusals))


def _left(seconds: float, done: int) -> str:
    """How long it will take yet, once that can be told."""
    minutes = seconds / done / 60 if done else 0.0
    return f" (about {minutes:.0f} min left)" if minutes >= 1 else ""


def _endings(model: Model | Ensemble, formats: Sequence[str]) -> dict[str, str]:
    known = forms(model.output)
    if strange := [name for name in formats if name not in known]:
        there = f"it can be written as {', '.join(known)}" if known else "it goes into the table"
        raise ValueError(
            f"what this model finds ({type(model.output).__name__}) is not written as "
            f"{', '.join(strange)}; {there}"
        )
    return {name: known[name] for name in formats or list(known)[:1]}


def _inside(stack: io.Stack, folder: Path) -> bool:
    return stack.files[0].folder.is_relative_to(folder)


@dataclass(frozen=True)
class _Job:
    """One scan, and the files to be made of it."""

    stack: io.Stack
    state: str
    model: str
    targets: Mapping[str, Path]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, stack: io.Stack, model: Model | Ensemble, folder: Path, endings: Mapping[str, str]
    ) -> _Job:
        """What is to be done.

        Raises:
            ValueError: when nothing of it can be.
        """
        targets = {name: folder / f"{stack.name}{ending}" for name, ending in endings.items()}
        notes: tuple[str, ...] = ()
        if "seg" in targets and stack.source != "dicom":
            del targets["seg"]
            notes = ("no DICOM SEG: it refers to DICOM images, and this scan is NIfTI",)
            if not targets:
                raise ValueError(*notes)
        if {path.resolve() for path in targets.values()} & {Path(f.path) for f in stack.files}:
            raise ValueError("the result would replace the scan itself; name another folder")
        return cls(stack, state_of(stack), model.digest, targets, notes)

    def done_before(self, ledger: Ledger) -> bool:
        """Whether this model has made all of it, of the same files.

        Raises:
            FileExistsError: when something else is there.
        """
        known = ledger.get(self.stack.name)
        there = {path.name for path in self.targets.values() if path.exists()}
        if known is not None:
            if known.model != self.model:
                raise FileExistsError(f"another model's prediction ({known.model}) is there")
            if known.scan != self.state:
                raise FileExistsError(
                    "the prediction of another scan of this name, or of this one before its files "
                    "were changed, is there"
                )
            wanted = {path.name for path in self.targets.values()}
            if wanted == there and wanted <= {path.name for path in known.files}:
                return True
        if there:
            raise FileExistsError(f"{', '.join(sorted(there))} is already there, and was left as it is")  # fmt: skip
        return False

    def run(self, model: Model | Ensemble, kind: type[Volume]) -> Prediction:
        """Predict the scan and write the files."""
        scan, mended = self.stack.read_with_notes(kind)
        value = model.predict(scan)
        notes = (*self.notes, *self.stack.warnings, *self.stack.repairs, *mended)
        # A segmentation first: it may be refused, and then nothing is left behind.
        for form in sorted(self.targets, key=lambda name: name != "seg"):
            notes += _write(value, form, self.stack, self.targets[form])
        files, found = tuple(self.targets.values()), entries(value, scan)
        return Prediction(self.stack.name, self.state, self.model, files, found, notes)


def _write(value: Kind, form: str, stack: io.Stack, path: Path) -> tuple[str, ...]:
    if form == "seg" and isinstance(value, Mask):
        return io.write_seg(
            value, stack, path, algorithm_name="medlib", algorithm_version=__version__
        )
    io.save(value, path)
    return ()
