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
        warnings: about the scan.
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
        out: folder; made if it is not there. Files are named after their scan.
        formats: ``"nifti"``, ``"seg"`` (DICOM SEG, for scans that are DICOM), or both.
        overwrite: replace files that are already there; else their scans are refused.
        progress: told a line now and then.

    Raises:
        FileNotFoundError: when there is nothing at ``source``.
        ValueError: when there is not one scan, usable or not.
    """
    found = io.survey(source)
    if not (found.stacks or found.refusals):
        raise ValueError(f"there are no DICOM or NIfTI scans in {source}")
    refusals = [(refusal.where, refusal.reason) for refusal in found.refusals]
    predictions = []
    for number, stack in enumerate(found.stacks, start=1):
        if progress is not None:
            progress(f"{number}/{len(found.stacks)} {stack.name}")
        try:
            predictions.append(_one(model, stack, Path(out), formats, overwrite=overwrite))
        except (ValueError, FileExistsError) as error:
            refusals.append((stack.name, str(error)))
    return BatchReport(model.digest, tuple(predictions), tuple(refusals))


def _one(
    model: Model, stack: io.Stack, out: Path, formats: Sequence[str], *, overwrite: bool
) -> Prediction:
    targets = {name: out / f"{stack.name}{_ENDINGS[name]}" for name in formats}
    if "seg" in targets and stack.source != "dicom":
        del targets["seg"]
        if not targets:
            raise ValueError("a DICOM SEG refers to DICOM images, and this scan is NIfTI")
    there = [path.name for path in targets.values() if path.exists()]
    if there and not overwrite:
        raise FileExistsError(f"{', '.join(there)} is already there, and was left as it is")
    mask = model.predict(stack)
    for name, path in targets.items():
        _WRITERS[name](mask, stack, path)
    volumes = {label: mask.volume_ml(label) for label in mask.labels.names}
    return Prediction(stack.name, tuple(targets.values()), volumes, stack.warnings)


def _write_nifti(mask: Mask, stack: io.Stack, path: Path) -> None:
    io.write_nifti(mask, path)


def _write_seg(mask: Mask, stack: io.Stack, path: Path) -> None:
    io.write_seg(mask, stack, path, algorithm_name="medlib", algorithm_version=__version__)


_ENDINGS = {"nifti": ".nii.gz", "seg": ".dcm"}
_WRITERS = {"nifti": _write_nifti, "seg": _write_seg}
