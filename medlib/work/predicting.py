"""Predicting: what a model finds in scans, how sure it is, what is odd, and what to label next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medlib.assist import doubt, features_of, next_scans, scan_doubt
from medlib.infer import MaskOutput, Shares, decode_mask
from medlib.io.files import FILE_ERRORS
from medlib.package import Model, load
from medlib.types import Belief, Kind, Mask, Measurement, Points, Probabilities, Volume, verb
from medlib.work.asking import Predicting
from medlib.work.beginning import seen_by
from medlib.work.flags import flags_of
from medlib.work.process import Watch
from medlib.work.telling import Telling, write_json
from medlib.work.waiting import asked_of, labelled, waiting
from medlib.workspace import Content, Status, WorkspaceError, questions_of

if TYPE_CHECKING:
    from medlib.workspace import Entry, Workspace
    from medlib.workspace.schema import Job
    from medlib.workspace.schema import Model as Row

_RANKED = 24  # scans whose order is worked out; beyond them it takes long, and matters little
_BY = "model {}"


def predict(
    workspace: Workspace, job: Job, request: Predicting, telling: Telling, watch: Watch
) -> dict[str, Any]:
    """Predict each scan, keep what was found, and rank the worklist. Stopped, what is done stays."""
    watch.may_leave = False
    row = next((row for row in workspace.models.list() if row.id == request.model), None)
    if row is None:
        raise WorkspaceError(f"there is no model {request.model}")
    telling.progress(phase="loading the model")
    model = load(workspace.models.package(row.id))
    assert isinstance(model, Model)
    scans = request.scans
    scans = waiting(workspace, row) if scans is None else scans
    refused: list[dict[str, Any]] = []
    done = 0
    for number, scan in enumerate(scans):
        if watch.is_stopping:
            break
        telling.progress(phase="predicting", done=number / len(scans), scan=scan, of=len(scans))
        try:
            volume = workspace.scans.volume(scan)
            found = found_in(model, volume)
            _keep(workspace, row, scan, found, by=_BY.format(row.id))
            done += 1
        except (ValueError, *FILE_ERRORS) as error:
            refused.append({"scan": scan, "reason": str(error)})
    telling.progress(phase="ranking the worklist", done=1.0, scan=None)
    ranked = 0 if watch.is_stopping else rank(workspace, row)
    return {
        "model": row.id,
        "predicted": done,
        "refused": refused,
        "ranked": ranked,
        "stopped": watch.is_stopping,
    }


@dataclass(frozen=True)
class Found:
    """What a model finds in a scan.

    Args:
        value: what it is.
        doubt: of the scan, 0 or more; see :func:`medlib.assist.scan_doubt`. None where the model
            cannot say.
        uncertainty: of each voxel, on the scan's grid, 0 to 1.
    """

    value: Kind
    doubt: float | None = None
    uncertainty: Volume | None = field(default=None, repr=False)


def found_in(model: Model, scan: Volume) -> Found:
    """What a model finds in a scan, and how sure it is; the network looks once for both.

    Raises:
        ValueError: when the scan is of another kind than the model was trained on.
    """
    predictor = model.predictor
    if not isinstance(predictor.output, MaskOutput):
        value = predictor.predict(scan)
        return Found(value, unsureness(value))
    prepared = predictor.preprocess(predictor.item(scan))
    summed = predictor.probabilities(prepared)
    shares = Shares(summed, prepared.trail)
    labels = predictor.output.labels
    beliefs = Probabilities(summed, prepared.grid, labels)
    unsure = torch.from_numpy(doubt(beliefs))[None]
    native = shares.back(scan.grid).linear(unsure, fill=0.0).clamp(0, 1)
    return Found(
        decode_mask((shares,), labels, scan.grid),
        scan_doubt(beliefs),
        Volume(native, scan.grid),
    )


@verb
def unsureness(value: Kind) -> float | None:
    """How unsure an answer is, 0 to 1; None where it does not say."""
    return None


@unsureness.register
def _(value: Belief) -> float | None:
    shares = np.asarray(value.shares)
    if value.exclusive:
        return float((1 - shares.max()) / (1 - 1 / len(shares)))
    return float((1 - 2 * abs(shares - 0.5)).max())


@unsureness.register
def _(value: Measurement) -> float | None:
    return None


@unsureness.register
def _(value: Points) -> float | None:
    return None


def _keep(workspace: Workspace, model: Row, scan: int, found: Found, *, by: str) -> None:
    """Keep what was found, with its figures."""
    asked = asked_of(model)
    figures: dict[str, Any] = {"doubt": found.doubt}
    value = found.value
    if isinstance(value, Mask):
        assert found.uncertainty is not None
        usual, in_pieces = model.card.get("volumes", {}), model.card.get("in pieces", [])
        figures["volumes"] = {name: round(ml, 4) for name, ml in value.volumes_ml().items()}
        figures["flags"] = [flag.to_dict() for flag in flags_of(value, usual, in_pieces)]
        figures["slice doubts"] = found.uncertainty.data[0].sum((1, 2)).round(decimals=2).tolist()
        workspace.models.keep_mask(
            model.id, scan, value, by=by, figures=figures, uncertainty=found.uncertainty
        )
        return
    if isinstance(value, Points):
        places = zip(value.names, value.coordinates.tolist(), strict=True)
        workspace.models.keep_entries(
            model.id, scan, Content.POINTS, dict(places), by=by, figures=figures
        )
        return
    question = questions_of(workspace.label_sets.get(model.label_set_id))[asked.question]
    if isinstance(value, Belief):
        figures["shares"] = dict(zip(value.vocabulary, map(float, value.shares), strict=True))
        answer: Any = value.shares[0] >= 0.5 if question.kind == "yes/no" else value.category.name
    else:
        assert isinstance(value, Measurement)
        answer = value.to(question.unit).value
    entries = {
        asked.question: question.checked(bool(answer) if question.kind == "yes/no" else answer)
    }
    workspace.models.keep_entries(model.id, scan, Content.ANSWERS, entries, by=by, figures=figures)


# --- what to label next ---------------------------------------------------------------------------


def rank(workspace: Workspace, model: Row) -> int:
    """Say which scans would teach most, by the model's doubt and how unlike one another they are.

    Returns:
        How many were ranked.
    """
    doubts: dict[int, float] = {}
    for row in workspace.models.predictions(model=model.id):
        doubts.setdefault(row.scan_id, row.figures.get("doubt") or 0.0)
    entries = {e.scan.id: e for e in workspace.scans.list() if e.scan.status != Status.SET_ASIDE}
    known = labelled(workspace, model.label_set_id, asked_of(model))
    left = [n for n in entries if n in doubts and n not in known.whole]
    new = [n for n in left if n not in known.begun]
    learned = {*seen_by(model.card), *known.whole, *known.begun}.intersection(entries)
    features = {n: found for n in {*new, *learned} if (found := _features(workspace, entries[n]))}
    names = {n: entries[n].scan.name for n in features}
    can_say = any(doubts[n] for n in new)  # else by how unlike they are
    open_ones = {names[n]: doubts[n] if can_say else 1.0 for n in new if n in features}
    suggestions = next_scans(
        open_ones,
        {names[n]: found for n, found in features.items()},
        labelled=[names[n] for n in features if names[n] not in open_ones],
        count=_RANKED,
    )
    ranks = dict.fromkeys(entries, (0.0, ""))  # what is whole by now is no longer of use
    called = {name: n for n, name in names.items()}
    for place, one in enumerate(suggestions):
        ranks[called[one.name]] = (1 - place / (len(suggestions) + 1), one.reason)
    # One more slice of a scan that is begun teaches less than a first one elsewhere.
    least = 1 / (len(suggestions) + 2)
    most = max((doubts[n] for n in left), default=0.0) or 1.0
    for n in left:
        if ranks[n] == (0.0, ""):
            why = "some of it is labelled" if n in known.begun else "others would teach more"
            ranks[n] = (least * doubts[n] / most, f"{why}; {doubts[n]:.2f} unsure")
    workspace.scans.rank(ranks, by=_BY.format(model.id))
    return len(left)


def _features(workspace: Workspace, entry: Entry) -> Sequence[float]:
    """Of a scan; remembered, since all of it has to be read. Empty where it cannot be."""
    path: Path = workspace.derived / "features" / f"{entry.scan.digest}.json"
    if path.exists():
        remembered: list[float] = json.loads(path.read_text())
        return remembered
    try:
        found: list[float] = features_of(workspace.scans.volume(entry.scan.id)).tolist()
    except (ValueError, *FILE_ERRORS):
        return []
    write_json(path, found)
    return found
