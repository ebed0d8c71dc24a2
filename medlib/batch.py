"""Predicting every scan in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medlib import io
from medlib._version import __version__
from medlib.package import Model
from medlib.types import Mask


@dataclass(frozen=True)
class Prediction:
    """One scan that was predicted.

    Args:
        name: of the scan.
        files: what was written.
        volumes_ml: of each structure found, in millilitres.
        warnings: about the scan and what was written: what to know before relying on it.
    """

    name: str
    files: tuple[Path, ...]
    volumes_ml: dict[str, float]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "files": [str(path) for path in self.files],
            "volumes_ml": {name: round(ml, 3) for name, ml in self.volumes_ml.items()},
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class BatchReport:
    """What became of a folder.

    Args:
        model: digest of the weights used.
        predictions: of the scans that could be used.
        refusals: of all else.
    """

    model: str
    predictions: tuple[Prediction, ...]
    refusals: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "predictions": [prediction.to_dict() for prediction in self.predictions],
            "refusals": [{"where": where, "reason": reason} for where, reason in self.refusals],
        }

    def __str__(self) -> str:
        lines = []
        for done in self.predictions:
            found = ", ".join(f"{name} {ml:.1f} ml" for name, ml in done.volumes_ml.items())
            lines.append(f"{done.name}: {found}")
            lines += [f"  warning: {warning}" for warning in done.warnings]
        lines += [f"refused: {where}: {reason}" for where, reason in self.refusals]
        lines.append(f"{len(self.predictions)} predicted, {len(self.refusals)} refused")
        return "\n".join(lines)


def predict_all(
    model: Model,
    source: str | Path,
    out: str | Path,
    *,
    formats: Sequence[str] = ("nifti",),
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> BatchReport:
    """Predict every scan at ``source`` and write the masks into ``out``.

    A scan that cannot be used becomes a refusal and does not stop the others. Each file is
    written whole or not at all.

    Args:
        model: to predict with.
        source: a file, folder or .zip of DICOM or NIfTI.
        out: folder; made if it is not there. Files are named after their scan. It may lie inside
            ``source``: what is in it is not predicted.
        formats: ``"nifti"``, ``"seg"`` (DICOM SEG, for scans that are DICOM), or both.
        overwrite: replace files that are already there; else their scans are refused.
        progress: told a line now and then.

    Raises:
        FileNotFoundError: when there is nothing at ``source``.
        ValueError: when there is not one scan, usable or not; or when ``out`` is ``source``,
            since scans and results could not be told apart the next time.
    """
    root, folder = Path(source).resolve(), Path(out).resolve()
    if folder == root:
        raise ValueError(f"{out} holds the scans: name another folder for the results")
    found = io.survey(source)
    earlier = folder if folder.is_relative_to(root) else None
    stacks = [s for s in found.stacks if not (earlier and _inside(s, earlier))]
    if not (stacks or found.refusals):
        raise ValueError(f"there are no DICOM or NIfTI scans in {source}")
    refusals = [(refusal.where, refusal.reason) for refusal in found.refusals]
    predictions = []
    for number, stack in enumerate(stacks, start=1):
        if progress is not None:
            progress(f"{number}/{len(stacks)} {stack.name}")
        try:
            predictions.append(_one(model, stack, folder, formats, overwrite=overwrite))
        except (ValueError, FileExistsError) as error:
            refusals.append((stack.name, str(error)))
    return BatchReport(model.digest, tuple(predictions), tuple(refusals))


def _inside(stack: io.Stack, folder: Path) -> bool:
    return stack.files[0].folder.is_relative_to(folder)


def _one(
    model: Model, stack: io.Stack, out: Path, formats: Sequence[str], *, overwrite: bool
) -> Prediction:
    targets = {n: out / f"{stack.name}{end}" for n, end in _ENDINGS.items() if n in formats}
    notes: tuple[str, ...] = ()
    if "seg" in targets and stack.source != "dicom":
        del targets["seg"]
        notes = ("no DICOM SEG: it refers to DICOM images, and this scan is NIfTI",)
        if not targets:
            raise ValueError(*notes)
    if {path.resolve() for path in targets.values()} & {Path(f.path) for f in stack.files}:
        raise ValueError("the result would replace the scan itself; name another folder")
    there = [path.name for path in targets.values() if path.exists()]
    if there and not overwrite:
        raise FileExistsError(f"{', '.join(there)} is already there, and was left as it is")
    scan, mended = stack.read_with_notes(model.kind)
    mask = model.predict(scan)
    notes += (*stack.warnings, *stack.repairs, *mended)
    for name, path in targets.items():
        notes += _WRITERS[name](mask, stack, path)
    volumes = {label: mask.volume_ml(label) for label in mask.labels.names}
    return Prediction(stack.name, tuple(targets.values()), volumes, notes)


def _write_nifti(mask: Mask, stack: io.Stack, path: Path) -> tuple[str, ...]:
    io.write_nifti(mask, path)
    return ()


def _write_seg(mask: Mask, stack: io.Stack, path: Path) -> tuple[str, ...]:
    return io.write_seg(mask, stack, path, algorithm_name="medlib", algorithm_version=__version__)


# SEG first: it is the one that may be refused, and then nothing is left behind.
_ENDINGS = {"seg": ".dcm", "nifti": ".nii.gz"}
_WRITERS = {"nifti": _write_nifti, "seg": _write_seg}
