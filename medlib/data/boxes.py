"""Which boxes belong to which scan, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medlib import io
from medlib.data.blocks.boxes import boxes_in
from medlib.data.cases import Pairing, case_of, few, pair
from medlib.types import Labels

_ENDING = re.compile(r"(\.mrk)?\.json$", re.IGNORECASE)


def pair_boxes(scans: Path, boxes: Path) -> Pairing:
    """Scans with what is known of the findings in them.

    Args:
        scans: a folder of DICOM or NIfTI.
        boxes: a table of the boxes of all scans (``.csv``; see
            :func:`medlib.io.read_box_table`); or a folder of 3D Slicer's regions of interest
            (``.mrk.json``), a file or a folder of files for each scan, named as it is; or a folder
            of label maps, of which each connected part is a finding.

    Raises:
        FileNotFoundError: when a path does not exist.
        ValueError: when nothing can be paired, saying what was found.
    """
    if not boxes.exists():
        raise FileNotFoundError(f"there are no boxes at {boxes}")
    if boxes.is_file():
        if boxes.suffix.lower() != ".csv":
            raise ValueError(f"{boxes.name} is neither a table (.csv) nor a folder")
        return _paired(scans, dict.fromkeys(io.read_box_table(boxes), boxes), boxes)
    files = [p for p in sorted(boxes.rglob("*.json")) if p.name != "labels.json"]
    if not any(p.name.lower().endswith(".mrk.json") for p in files) and _has_maps(boxes):
        return pair(scans, boxes)
    return _paired(scans, _by_name(files, boxes), boxes)


def with_boxes(pairing: Pairing, wanted: Sequence[str] = ()) -> Pairing:
    """The cases of which it is known what is in them, with a table of what is to be found.

    Args:
        pairing: cases, some of them with boxes or a label map.
        wanted: the labels, in order; left out, all that any case names.

    Raises:
        ValueError: when no case has a finding.
    """
    known = tuple(c for c in pairing.cases if c.boxes is not None or c.label is not None)
    unknown = sorted({c.name for c in pairing.cases} - {c.name for c in known})
    aside = [(name, "nothing says whether anything is in it") for name in unknown]
    pairing = replace(pairing, cases=known, set_aside=(*pairing.set_aside, *aside))
    if wanted:
        kept = [label for label in pairing.labels if label.name in wanted]
        table = Labels(tuple(kept)) if len(kept) == len(wanted) else Labels.of(tuple(wanted))
        return replace(pairing, labels=table)
    if pairing.labels:
        return pairing
    names = [boxes_in(case, on=case.scan.grid).labels.names for case in pairing.cases]
    found = tuple(dict.fromkeys(name for each in names for name in each))
    if not found:
        raise ValueError("no scan has a single finding, so there is nothing to learn")
    return replace(pairing, labels=Labels.of(found))


def _has_maps(folder: Path) -> bool:
    return any(not p.name.lower().endswith(".json") for p in folder.rglob("*") if p.is_file())


def _by_name(files: Sequence[Path], root: Path) -> dict[str, Path]:
    """Files by their own names; and the folders that hold regions, by theirs."""
    found: dict[str, Path] = {}
    folders = {p.parent for p in files if p.parent != root and p.name.lower().endswith(".mrk.json")}
    for path in (*files, *sorted(folders)):
        name = _ENDING.sub("", path.name)
        if name in found and path.parent not in folders:
            raise ValueError(f"{path} and {found[name]} are boxes of the same name; keep one")
        found.setdefault(name, path)
    return found


def _paired(scans: Path, files: Mapping[str, Path], source: Path) -> Pairing:
    """Scans with the files that are called as they, or as their series, are."""
    found = io.survey(scans)
    cases, used = [], set[str]()
    aside = [(refusal.where, refusal.reason) for refusal in found.refusals]
    for stack in found.stacks:
        name = next((key for key in (stack.series_uid, stack.name) if key and key in files), None)
        if name is None:
            aside.append((stack.name, f"{source.name} does not say whether anything is in it"))
            continue
        used.add(name)
        cases.append(replace(case_of(stack.name, stack), boxes=files[name]))
    aside += [(name, f"no scan of its name in {scans}") for name in _unused(files, used)]
    if not cases:
        raise ValueError(
            f"no scan in {scans} has boxes in {source}. Scans: {few([s.name for s in found.stacks])}"
            f". Boxes: {few(list(files))}. Give each the name of its scan."
        )
    return Pairing(tuple(cases), Labels(()), tuple(aside))


def _unused(files: Mapping[str, Path], used: Collection[str]) -> list[str]:
    """The names that no scan has; files in a folder that was used were used with it."""
    folders = {files[name] for name in used}
    return sorted(
        name
        for name, path in files.items()
        if name not in used and path.parent not in folders and not path.is_dir()
    )
