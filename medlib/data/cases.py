"""Cases: which labels belong to which scan."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medlib import io
from medlib.data.label_table import find_labels
from medlib.data.patients import patient_of
from medlib.io.files import File
from medlib.types import Labels

Answer = str | float | bool  # as a table states it

# Words in file names that say what a file is, not whose it is.
_SCAN_WORDS = {"image", "images", "img", "scan", "ct", "mr", "mri", "pet", "vol", "volume", "0000"}
_LABEL_WORDS = {"label", "labels", "lbl", "seg", "segmentation", "mask", "gt", "labelmap"}


@dataclass(frozen=True)
class Case:
    """A scan, whose it is, and what is known of it.

    Args:
        name: unique among the cases.
        patient: cases of one patient have the same.
        scan: the stack to read the scan from; of several series the first, on whose grid labels
            are drawn.
        label: a NIfTI label map or DICOM SEG; None for a scan without labels.
        masks: further masks by name, such as an earlier outline; label maps or SEGs on its grid.
        series: co-registered series by name, such as ``{"T1": …, "FLAIR": …}``, the first of them
            ``scan``; empty for a scan that is one series.
        grid_of: the series on whose grid all else is read; left out, the scan.
        answers: what a table says of the case, by column. What it does not say is left out.
        points: a file of landmarks, as 3D Slicer writes them (``.mrk.json``).
        boxes: a file or folder of boxes around findings (``.mrk.json``, ``.json``), or a table of
            those of many cases (``.csv``). See :func:`medlib.data.pair_boxes`.
        annotated: the structures that the reader of this scan looked for; None for all of the
            label table. See :class:`medlib.types.Mask`.
        study: cases of one examination have the same; empty where it is not known.
        site: where it was taken, or another group it belongs to; empty where it is not known.
        split: ``"train"`` or ``"valid"`` where the source itself says so, else empty.

    Raises:
        ValueError: for series of which ``scan`` is not the first, and for another split.
    """

    name: str
    patient: str
    scan: io.Stack
    label: Path | None = None
    masks: Mapping[str, Path] = field(default_factory=dict, hash=False)
    series: Mapping[str, io.Stack] = field(default_factory=dict, hash=False)
    grid_of: str = ""
    answers: Mapping[str, Answer] = field(default_factory=dict, hash=False)
    points: Path | None = None
    boxes: Path | None = None
    annotated: tuple[str, ...] | None = None
    study: str = ""
    site: str = ""
    split: str = ""

    def __post_init__(self) -> None:
        if self.series and next(iter(self.series.values())) != self.scan:
            raise ValueError(f"{self.name}: the first of several series has to be the scan itself")
        if self.split not in {"", "train", "valid"}:
            raise ValueError(f"{self.name}: a split is 'train' or 'valid', not {self.split!r}")

    @property
    def stacks(self) -> tuple[io.Stack, ...]:
        """The scan's series: one, or several in order."""
        return tuple(self.series.values()) or (self.scan,)

    @property
    def leading(self) -> io.Stack:
        """The stack on whose grid all else is read, and predictions lie."""
        return self.series.get(self.grid_of, self.scan)  # of one that it lacks, its reader will say


@dataclass(frozen=True)
class Pairing:
    """Cases found in a source, however it lies on disk.

    Args:
        cases: to learn from and to choose a model by, in the order of their names.
        labels: the label table, from the label files or a table beside them.
        set_aside: (name, reason) of each scan or label file that is not used.
        test: cases that the source keeps for a last test; never to be trained or chosen on.
    """

    cases: tuple[Case, ...]
    labels: Labels
    set_aside: tuple[tuple[str, str], ...] = ()
    test: tuple[Case, ...] = ()


def pair(scans: Path, labels: Path) -> Pairing:
    """Find the scans, the labels, and which belong together.

    A DICOM SEG belongs to the series it refers to. A NIfTI label map belongs to the scan of the
    same name, words like *image* and *label* apart: ``image_7.nii.gz`` and ``label_7.nii.gz``,
    ``liver_7_0000.nii.gz`` and ``liver_7.nii.gz``, ``7/ct.nii.gz`` and ``7/seg.nii.gz``. Scans and
    labels may lie in one folder. A name that fits two scans, or two label files, is not used:
    which is meant cannot be known.

    Where not all structures were looked for in every scan, ``annotated.json`` beside the labels
    says so: ``{"case_1": ["liver"]}``; of cases that it does not name, all were.

    Raises:
        FileNotFoundError: when a path does not exist.
        ValueError: when nothing can be paired, saying what was found.
    """
    scans, labels = scans.resolve(), labels.resolve()
    found, beside = io.survey(scans), io.survey(labels)
    maps = _label_maps(beside, scans if scans.is_relative_to(labels) else None)
    segs, seg_of = _segmentations(beside)
    of_maps = {File(path) for path in maps}
    stacks = [stack for stack in found.stacks if of_maps.isdisjoint(stack.files)]
    refusals = dict.fromkeys((r.where, r.reason) for r in (*found.refusals, *beside.refusals))
    set_aside = list(refusals)

    by_name = _matched([s.name for s in stacks], _label_names(maps, labels))
    cases = []
    used: set[Path] = set()
    for number, stack in enumerate(stacks):
        label = seg_of.get(stack.series_uid)
        if label is None and number in by_name:
            label = maps[by_name[number]]
        if label is None:
            set_aside.append((stack.name, f"no label file for it alone in {labels}"))
            continue
        used.add(label)
        cases.append(case_of(stack.name, stack, label))
    label_files = [*maps, *segs]
    set_aside += [
        (path.name, f"no scan for it alone in {scans}") for path in label_files if path not in used
    ]
    if not cases:
        raise ValueError(
            f"no scan in {scans} has a label in {labels}. Scans: {few([s.name for s in stacks])}. "
            f"Labels: {few([path.name for path in label_files])}. "
            "Give each label file the name of its scan."
        )
    cases.sort(key=lambda case: natural(case.name))
    chosen = [case.label for case in cases if case.label is not None]
    table = find_labels(labels, chosen)
    return Pairing(_marked(cases, labels, table), table, tuple(set_aside))


def case_of(name: str, scan: io.Stack, label: Path | None = None, **more: Any) -> Case:
    """A case of whom its files say it is; see :func:`medlib.data.patient_of` for NIfTI's names.

    Args:
        name: unique among the cases.
        scan: its stack.
        label: its label file.
        more: further fields of the case, patient and study too where somebody knows better.
    """
    dicom = scan.source == "dicom"
    stated = {
        "patient": scan.patient if dicom else patient_of(name),
        "study": scan.study if dicom else "",  # NIfTI files do not say
    }
    return Case(name=name, scan=scan, label=label, **(stated | more))


def _marked(cases: Sequence[Case], labels: Path, table: Labels) -> tuple[Case, ...]:
    """The cases, with what ``annotated.json`` says was looked for in each.

    Raises:
        ValueError: when it cannot be read, or names a case or a structure that there is not.
    """
    path = (labels if labels.is_dir() else labels.parent) / "annotated.json"
    if not path.is_file():
        return tuple(cases)
    try:
        said = {str(k): tuple(map(str, v)) for k, v in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} does not say what was looked for, as {{"case_1": ["liver"]}} does: {error}'
        ) from error
    strange = sorted(said.keys() - {case.name for case in cases})
    strange += sorted({name for names in said.values() for name in names} - set(table.names))
    if strange:
        raise ValueError(
            f"{path} names {', '.join(strange[:5])}, and there is neither such a case nor such a "
            f"structure (there are {few([c.name for c in cases])}; {', '.join(table.names)})"
        )
    return tuple(replace(case, annotated=said.get(case.name)) for case in cases)


def _label_maps(found: io.Survey, scans: Path | None) -> list[Path]:
    """Label maps in NIfTI or PNG; among ``scans``, only files whose name says that they are labels.

    Raises:
        ValueError: when they lie in a zip archive.
    """
    files = [stack.files[0] for stack in found.stacks if stack.source != "dicom"]
    if any(file.archive for file in files):
        raise ValueError(f"{files[0]}: labels are not read from a zip archive; unpack it first")
    paths = [Path(file.path) for file in files]
    if scans is None:
        return paths
    return [
        path
        for path in paths
        if not path.is_relative_to(scans)
        or _LABEL_WORDS & set(_words(str(path.relative_to(scans))))
    ]


def _label_names(maps: Sequence[Path], folder: Path) -> list[str]:
    """Names of label files; with the folders above them where the files' own are not unique."""
    stems = [_stem(path) for path in maps]
    return [
        stem if stems.count(stem) == 1 else "_".join((*path.relative_to(folder).parts[:-1], stem))
        for stem, path in zip(stems, maps, strict=True)
    ]


def _segmentations(found: io.Survey) -> tuple[list[Path], dict[str, Path]]:
    """DICOM SEGs, and which of them outlines a series.

    Raises:
        ValueError: when two outline one series, or when they lie in a zip archive.
    """
    by_series: dict[str, Path] = {}
    for seg in found.segmentations:
        if seg.file.archive:
            raise ValueError(f"{seg.file}: labels are not read from a zip archive; unpack it first")
        for series in seg.references:
            other = by_series.setdefault(series, Path(seg.file.path))
            if other != Path(seg.file.path):
                raise ValueError(
                    f"{other} and {seg.file} are segmentations of one series; keep one of them"
                )
    return [Path(seg.file.path) for seg in found.segmentations], by_series


def _matched(scans: Sequence[str], labels: Sequence[str]) -> dict[int, int]:
    """Which label goes with which scan, by number: the whole name first, then what it names.

    Of several that a name fits, none is taken.
    """
    found: dict[int, int] = {}
    for key in (str.lower, _named):
        scan_of = _only([key(name) for name in scans])
        label_of = _only([key(name) for name in labels])
        for name, number in label_of.items():
            if name and name in scan_of and number not in found.values():
                found.setdefault(scan_of[name], number)
    return found


def _only(names: Sequence[str]) -> dict[str, int]:
    """The places of the names that occur once."""
    count = Counter(names)
    return {name: place for place, name in enumerate(names) if count[name] == 1}


def _named(name: str) -> str:
    """A name without the words that say what a file is."""
    return "_".join(w for w in _words(name) if w not in _SCAN_WORDS | _LABEL_WORDS)


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _stem(path: Path) -> str:
    return re.sub(r"\.(nii(\.gz)?|png)$", "", path.name, flags=re.IGNORECASE)


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts image_2 before image_10."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name)]


def few(names: Sequence[str]) -> str:
    """The first few of many names, for a message."""
    shown = ", ".join(sorted(names, key=natural)[:4]) or "none"
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")
