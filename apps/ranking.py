"""Which scans to label next: worked out when somebody asks, and kept in the worklist."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from serving.errands import Report

from medlib.assist import features_of, next_scans
from medlib.io.files import FILE_ERRORS, written_whole
from medlib.space.grid import FloatArray
from medlib.workspace import Content, Status, Workspace
from medlib.workspace.schema import Prediction, Scan

_COUNT = 50  # of scans that are named; nobody labels more before he asks again
_WAITING = {Status.NEW, Status.IN_PROGRESS}


def rank(workspace: Workspace, person: str, report: Report) -> int:
    """Say of each scan how useful it would be to label it next, and why.

    Where models have predicted, their doubt counts; without any, how different scans are.

    Args:
        workspace: an open one.
        person: who asks.
        report: told how far it has come.

    Returns:
        How many scans could not be read, and are ranked last.
    """
    scans = {
        e.scan.name: e.scan for e in workspace.scans.list() if e.scan.status != Status.SET_ASIDE
    }
    newest = newest_masks(workspace)
    features: dict[str, FloatArray] = {}
    doubts: dict[str, float] = {}
    for number, (name, scan) in enumerate(scans.items()):
        report(number, len(scans), "Looking at scans")
        try:
            features[name] = _features(workspace, scan)
            if scan.status in _WAITING and scan.id in newest:
                doubts[name] = scan_doubt(workspace, newest[scan.id])
        except (*FILE_ERRORS, ValueError):
            features.pop(name, None)
    report(len(scans), len(scans), "Comparing them")
    waiting = {name for name in features if scans[name].status in _WAITING}
    # Of what no model has looked at, as little is known as of the most doubtful.
    most = max(doubts.values(), default=0.0)
    found = next_scans(
        {name: doubts.get(name, most) for name in waiting} if doubts else {},
        features,
        labelled=features.keys() - waiting,
        count=_COUNT,
    )
    ranked = {scan.id: (0.0, "") for scan in scans.values()}
    # Each is useful after those before it: their order is what counts.
    ranked |= {
        scans[one.name].id: (1 - place / len(found), one.reason) for place, one in enumerate(found)
    }
    workspace.scans.rank(ranked, by=person)
    return len(scans) - len(features)


def newest_masks(workspace: Workspace) -> Mapping[int, Prediction]:
    """The last outline that a model predicted of each scan, with how unsure it was."""
    found: dict[int, Prediction] = {}
    for row in workspace.models.predictions():  # the newest first
        if row.content == Content.MASK and row.uncertainty:
            found.setdefault(row.scan_id, row)
    return found


def scan_doubt(workspace: Workspace, prediction: Prediction) -> float:
    """How unsure a model was of a scan, beside the size of what it found in it.

    See :func:`medlib.assist.scan_doubt`, which works on what is not kept.
    """
    unsure = workspace.models.uncertainty(prediction.id)
    if unsure is None:
        return 0.0
    found = int((workspace.models.mask(prediction.id).data > 0).any(0).sum())
    size = unsure.data.numel()
    return float(unsure.data.clamp(0, 1).sum()) / max(found, size // 1000, 1)


def _features(workspace: Workspace, scan: Scan) -> FloatArray:
    """Of a scan; read once, and kept."""
    folder = workspace.derived / "features"
    folder.mkdir(exist_ok=True)
    path = folder / f"{scan.digest}.npy"
    if path.is_file():
        kept: FloatArray = np.load(path, allow_pickle=False)
        return kept
    found = features_of(workspace.scans.volume(scan.id))
    with written_whole(path) as partial:
        np.save(partial, found, allow_pickle=False)
    return found
