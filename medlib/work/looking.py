"""Looking: what the data are like before anything is learned of them, and how it would be learned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from medlib import io
from medlib.data import Case, LeakError, Pairing, Store, contents
from medlib.io.files import FILE_ERRORS
from medlib.types import Mask
from medlib.work.asking import Asked, Looking, digest_of
from medlib.work.beginning import FEWEST
from medlib.work.flags import flags_of, usually_in_pieces
from medlib.work.preparing import known, prepared
from medlib.work.process import Watch
from medlib.work.telling import Telling

if TYPE_CHECKING:
    from medlib.workspace import Workspace
    from medlib.workspace.schema import Job

_ENOUGH = 3  # others that say how large a structure usually is


def state_of(workspace: Workspace, label_set: int, asked: Asked) -> str:
    """Names what is learned from now: as long as it is the same, a look need not be taken again."""
    heads = {version.id for version in workspace.versions.heads(label_set)}
    learned = sorted(heads - workspace.reviews.held_up(heads))
    tests = sorted(entry.scan.id for entry in workspace.scans.list(tag="test"))
    row = workspace.label_sets.get(label_set)
    return digest_of(label_set, row.revision, asdict(asked), learned, tests)


def look(
    workspace: Workspace, job: Job, request: Looking, telling: Telling, watch: Watch
) -> dict[str, Any]:
    """Look at every labelled scan, and make a plan."""
    state = state_of(workspace, request.label_set, request.asked)
    telling.progress(phase="reading the labelled scans")
    pairing, kind = known(workspace, request.label_set, request.asked)
    numbers = {entry.scan.name: entry.scan.id for entry in workspace.scans.list()}
    store = Store(workspace.derived / "prepared")
    masks: dict[str, Mask] = {}
    pictures: dict[str, tuple[str, ...]] = {}
    for number, case in enumerate(pairing.cases):
        telling.progress(done=0.7 * number / len(pairing.cases))
        if request.asked.what == "structures" and case.label is not None:
            masks[case.name] = io.read_mask(case.label, labels=pairing.labels, on=case.scan.grid)
        try:
            pictures[case.name] = contents(case, store=store)
        except (ValueError, *FILE_ERRORS):
            pictures[case.name] = ()
    telling.progress(phase="making a plan", done=0.75)
    kept: int | None = None
    reasons: Sequence[str]
    set_aside: Sequence[tuple[str, str]] = ()
    try:
        task = prepared(
            workspace, request.label_set, request.asked, pairing, kind, numbers,
            minutes=request.minutes, cache=store,
        )  # fmt: skip
        kept, set_aside = len(task.learner.data.valid), task.pairing.set_aside
        reasons = task.plan.reasons
    except LeakError as error:  # the twins are told, so that somebody can leave one out
        reasons = (str(error),)
    return {
        "state": state,
        "kind": kind,
        "scans": len(pairing.cases),
        "patients": len({case.patient for case in pairing.cases}),
        "kept back": kept or 0,
        "too few": FEWEST if kept == 0 else None,
        "for the last test": len(pairing.test),
        "set aside": [
            {"scan": numbers.get(name), "name": name, "reason": reason}
            for name, reason in set_aside
        ],
        "spacing": _spacing(pairing.cases),
        "structures": _structures(masks),
        "answers": _answers(pairing, request.asked),
        "twins": _twins(pairing.cases, pictures, numbers),
        "doubtful": _doubtful(masks, numbers),
        "reasons": list(reasons),
    }


def _spacing(cases: Sequence[Case]) -> list[list[float]]:
    """Smallest and largest spacing, mm, of each axis: slice, row, column, as the scans are stored."""
    spacings = [case.scan.grid.spacing for case in cases]
    return [[round(float(f(axis)), 3) for f in (min, max)] for axis in zip(*spacings, strict=True)]


def _structures(masks: Mapping[str, Mask]) -> list[dict[str, Any]]:
    """Of each structure: in how many scans, and how large in those that were labelled whole."""
    scans: Counter[str] = Counter()
    volumes: dict[str, list[float]] = defaultdict(list)
    names: dict[str, None] = {}
    for mask in masks.values():
        whole = not bool(mask.unseen().any())
        for name, ml in mask.volumes_ml().items():
            names[name] = None
            scans[name] += ml > 0
            if whole and ml:
                volumes[name].append(ml)
    return [
        {
            "name": name,
            "scans": scans[name],
            "ml": [round(f(volumes[name]), 4) for f in (min, median, max)] if volumes[name] else [],
        }
        for name in names
    ]


def _answers(pairing: Pairing, asked: Asked) -> dict[str, int]:
    """How often each answer was given; numbers in no more than five ranges."""
    if asked.what != "question":
        return {}
    said = [case.answers[asked.question] for case in pairing.cases]
    if all(isinstance(one, float) for one in said):
        import numpy as np

        values = np.array(said, dtype=np.float64)
        counts, edges = np.histogram(values, bins=min(5, len({*said})))
        ends = pairwise(edges)
        return {f"{a:.3g} to {b:.3g}": int(n) for (a, b), n in zip(ends, counts, strict=True)}
    words = {True: "yes", False: "no"}
    return dict(
        Counter(words.get(one, str(one)) if isinstance(one, bool) else str(one) for one in said)
    )


def _twins(
    cases: Sequence[Case], pictures: Mapping[str, tuple[str, ...]], numbers: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Scans that show the same, and patients with several: what one says the other does not add."""
    found: list[dict[str, Any]] = []
    alike: dict[tuple[str, ...], list[Case]] = defaultdict(list)
    whose: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        whose[case.patient].append(case)
        if pictures[case.name]:
            alike[pictures[case.name]].append(case)
    number = partial(_numbers, numbers=numbers)
    for same in alike.values():
        if len(same) > 1:
            several = len({case.patient for case in same}) > 1
            found.append({"what": "picture", "scans": number(same), "several patients": several})
    return found + [
        {"what": "patient", "scans": number(same), "several patients": False}
        for same in whose.values()
        if len(same) > 1
    ]


def _numbers(cases: Sequence[Case], numbers: Mapping[str, int]) -> list[int]:
    return [numbers[case.name] for case in cases]


def _doubtful(masks: Mapping[str, Mask], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """Labels that are unlike the others, with the reason: they may be right, and are worth a look."""
    whole = {name: mask for name, mask in masks.items() if not bool(mask.unseen().any())}
    volumes = {name: mask.volumes_ml() for name, mask in whole.items()}
    in_pieces = usually_in_pieces(whole.values())
    found = []
    for name, mask in whole.items():
        others: dict[str, list[float]] = defaultdict(list)
        for other, sizes in volumes.items():
            for structure, ml in sizes.items():
                if other != name:
                    others[structure].append(ml)
        usual = {s: sizes for s, sizes in others.items() if len(sizes) >= _ENOUGH}
        found += [
            {"scan": numbers[name], "flag": flag.kind, "reason": flag.reason}
            for flag in flags_of(mask, usual, in_pieces if len(whole) > 1 else ())
        ]
    return found
