"""Which scans to label next: worked out when somebody asks, and kept in the worklist."""

from __future__ import annotations

import json

from serving.errands import Report

from medlib.assist import features_of, next_scans
from medlib.io.files import FILE_ERRORS, written_whole
from medlib.workspace import Status, Workspace
from medlib.workspace.schema import Scan

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
    doubted = _doubts(workspace)
    features: dict[str, list[float]] = {}
    doubts: dict[str, float] = {}
    for number, (name, scan) in enumerate(scans.items()):
        report(number, len(scans), "Looking at scans")
        try:
            features[name] = _features(workspace, scan)
        except (*FILE_ERRORS, ValueError):
            continue
        if scan.status in _WAITING and scan.id in doubted:
            doubts[name] = doubted[scan.id]
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


def _doubts(workspace: Workspace) -> dict[int, float]:
    """How unsure the model was that looked last at each scan; of those where one can say."""
    found: dict[int, float] = {}
    for row in workspace.models.predictions():  # the newest first
        if row.figures.get("doubt") is not None:
            found.setdefault(row.scan_id, float(row.figures["doubt"]))
    return found


def _features(workspace: Workspace, scan: Scan) -> list[float]:
    """Of a scan; read once, and kept."""
    path = workspace.derived / "features" / f"{scan.digest}.json"
    if path.is_file():
        kept: list[float] = json.loads(path.read_text())
        return kept
    found: list[float] = features_of(workspace.scans.volume(scan.id)).tolist()
    with written_whole(path) as partial:
        partial.write_text(json.dumps(found))
    return found
