"""Cases: which labels belong to which scan."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medlib import io
from medlib.data.label_table import find_labels
from medlib.types import Labels

# Words in file names that say what a file is, not whose it is.
_SCAN_WORDS = {"image", "images", "img", "scan", "ct", "mr", "mri", "pet", "vol", "volume", "0000"}
_LABEL_WORDS = {"label", "labels", "lbl", "seg", "segmentation", "mask", "gt", "labelmap"}


@dataclass(frozen=True)
class Case:
    """A scan, whose it is, and where its labels are.

    Args:
        name: unique among the cases.
        patient: cases of one patient have the same.
        scan: the stack to read the scan from.
        label: a NIfTI label map or DICOM SEG; None for a scan without labels.
    """

    name: str
    patient: str
    scan: io.Stack
    label: Path | None = None


@dataclass(frozen=True)
class Pairing:
    """What :func:`pair` found.

    Args:
        cases: scans with their labels, in the order of their names.
        labels: the label table, from the label files or a table beside them.
        set_aside: (name, reason) of each scan or label file that is not used.
    """

    cases: tuple[Case, ...]
    labels: Labels
    set_aside: tuple[tuple[str, str], ...]


def pair(scans: Path, labels: Path) -> Pairing:
    """Find the scans, the labels, and which belong together.

    A DICOM SEG belongs to the series it refers to. A NIfTI label map belongs to the scan of the
    same name, words like *image* and *label* apart: ``image_7.nii.gz`` and ``label_7.nii.gz``,
    ``liver_7_0000.nii.gz`` and ``liver_7.nii.gz``. Scans and labels may lie in one folder.

    Raises:
        FileNotFoundError: when a path does not exist.
        ValueError: when nothing can be paired, saying what was found.
    """
    found = io.survey(scans)
    label_files, seg_of = _label_files(labels, same_folder=scans.resolve() == labels.resolve())
    stacks = [s for s in found.stacks if not {Path(f.path) for f in s.files} & set(label_files)]
    set_aside = [(refusal.where, refusal.reason) for refusal in found.refusals]

    scan_keys = _keys([s.name for s in stacks])
    label_keys = _keys([_stem(path) for path in label_files])
    by_key = dict(zip(label_keys, label_files, strict=True))
    if len(by_key) < len(label_files):
        twice = sorted({k for k in label_keys if label_keys.count(k) > 1})
        raise ValueError(
            f"several label files in {labels} go by one name: {', '.join(twice[:5])}; "
            "keep one for each scan"
        )

    cases = []
    used: set[Path] = set()
    for stack, key in zip(stacks, scan_keys, strict=True):
        label = seg_of.get(stack.series_uid) or by_key.get(key)
        if label is None:
            set_aside.append((stack.name, f"no label file for it in {labels}"))
            continue
        used.add(label)
        cases.append(Case(stack.name, stack.patient, stack, label))
    set_aside += [
        (path.name, f"no scan for it in {scans}")
        for path in [*label_files, *seg_of.values()]
        if path not in used
    ]
    if not cases:
        raise ValueError(
            f"no scan in {scans} has a label in {labels}. Scans: {_few([s.name for s in stacks])}. "
            f"Labels: {_few([p.name for p in [*label_files, *seg_of.values()]])}. "
            "Give each label file the name of its scan."
        )
    cases.sort(key=lambda case: _natural(case.name))
    chosen = [case.label for case in cases if case.label is not None]
    return Pairing(tuple(cases), find_labels(labels, chosen), tuple(set_aside))


def _label_files(labels: Path, *, same_folder: bool) -> tuple[list[Path], dict[str, Path]]:
    """NIfTI label maps, and DICOM SEGs by the series that they refer to."""
    found = io.survey(labels)
    maps = [Path(s.files[0].path) for s in found.stacks if s.source == "nifti"]
    if same_folder:
        maps = [path for path in maps if _LABEL_WORDS & set(_words(_stem(path)))]
    segmentations: dict[str, Path] = {}
    for seg in found.segmentations:
        for series in seg.references:
            other = segmentations.setdefault(series, Path(seg.file.path))
            if other != Path(seg.file.path):
                raise ValueError(
                    f"{other} and {seg.file} are segmentations of one series; keep one of them"
                )
    return maps, segmentations


def _keys(names: Sequence[str]) -> list[str]:
    """Names without the words that say what a file is; as they are where that would confuse two."""
    short = ["_".join(w for w in _words(n) if w not in _SCAN_WORDS | _LABEL_WORDS) for n in names]
    return [
        s if s and short.count(s) == 1 else n.lower() for s, n in zip(short, names, strict=True)
    ]


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _stem(path: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path.name)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts image_2 before image_10."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name)]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names, key=_natural)[:4]) or "none"
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")
