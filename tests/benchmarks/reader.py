"""How a reader's time is best spent: whole scans, offered slices, or correcting a model's outlines.

    python tests/benchmarks/reader.py FOLDER [--set hippocampus abdomen] [--minutes 2] [--arms NAME …]
        [--begin nothing|weights] [--go-on] [--journal FILE] [--json FILE] [--plot FILE]

A simulated reader knows the true outlines, and takes the same time for the same thing in all arms:
10 s to open a scan, 1 s to look at a slice, 20 s to outline a structure in a slice, and as long to
outline it anew where it is wrong. All that is done goes through a workspace, as in the app; the
arms differ in what is done next:

- ``whole``: scans in random order, every slice of each;
- ``slices``: first three slices of each of a few scans, then, round by round, of the scans and
  slices that the model of the round before is least sure of (``next_scans``, ``next_slices``);
- ``mended``: the same slices, but where a model has looked at them the reader begins with its outline,
  and outlines anew only what is wrong in it, as in the loop;
- ``loop``: one scan whole; then, round by round, the scans that ``next_scans`` names, as the last
  model outlines them: the reader looks at every slice, and outlines anew those structures whose
  outline in it differs from the truth by more than a tenth of both (or by more than a few voxels).

After each round a model is trained for ``--minutes`` and its Dice measured on patients that are
kept back. ``everything`` is the same training with all scans that there are labelled whole. Trainings begin
with nothing, or with the weights that come with the library; with ``--go-on`` those after the first
begin with the model of the round before, as the Train page offers.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray

import medlib
from medlib.assist import features_of, next_scans, next_slices
from medlib.data import none_kept
from medlib.package import Model
from medlib.types import Mask
from medlib.work.predicting import Found, found_in
from medlib.workspace import Seen, Workspace

OPEN, LOOK, OUTLINE = 10.0, 1.0, 20.0  # seconds
WRONG, CRUMBS = 0.1, 4  # of both outlines; voxels that nobody minds
Ids = NDArray[np.uint8]


@dataclass(frozen=True)
class Data:
    """Scans with their true outlines.

    Args:
        names: of the structures, 1, 2, …
        scans: (scan, label map) of the patients to learn from.
        test: of those kept back.
        rounds: how many scans are labelled by the end of each round, whole or as they are offered.
    """

    names: tuple[str, ...]
    scans: tuple[tuple[Path, Path], ...]
    test: tuple[tuple[Path, Path], ...]
    rounds: tuple[int, ...]


def hippocampus(folder: Path) -> Data:
    there = folder / "hippocampus"
    names = sorted(path.name for path in (there / "labels").glob("*.nii.gz"))
    random.Random(0).shuffle(names)
    pairs = tuple((there / "images" / name, there / "labels" / name) for name in names)
    return Data(("anterior", "posterior"), pairs[40:], pairs[:40], (1, 2, 4, 8, 16))


def abdomen(folder: Path) -> Data:
    labels = sorted((folder / "chaos_t2_mr").glob("label_*.nii.gz"))
    random.Random(0).shuffle(labels)
    pairs = tuple((path.with_name(path.name.replace("label", "image")), path) for path in labels)
    names = ("liver", "right kidney", "left kidney", "spleen")
    return Data(names, pairs[5:], pairs[:5], (1, 2, 4, 6, 8))


SETS = {"hippocampus": hippocampus, "abdomen": abdomen}


@dataclass
class Reader:
    """Somebody who knows the truth, and whose time is counted.

    Args:
        workspace: all that is outlined goes there.
        label_set: by which.
        truth: ids by scan, (slice, row, column) of the scan's grid.
    """

    workspace: Workspace
    label_set: int
    truth: dict[int, Ids]
    seconds: float = 0.0
    drawn: dict[int, Ids] = field(default_factory=dict)
    done: dict[int, set[int]] = field(default_factory=dict)

    def outline(self, scan: int, slices: list[int]) -> None:
        """Every structure in these slices, from nothing."""
        ids, done = self._open(scan)
        for number in slices:
            self.seconds += LOOK + OUTLINE * len(set(np.unique(self.truth[scan][number])) - {0})
            ids[number] = self.truth[scan][number]
            done.add(number)
        self._save(scan)

    def correct(self, scan: int, slices: Iterable[int], proposed: Ids) -> None:
        """Look at what a model outlined in these slices, and mend what is wrong."""
        ids, done = self._open(scan)
        for number in slices:
            self.seconds += LOOK
            true, ids[number] = self.truth[scan][number], proposed[number]
            for structure in (set(np.unique(true)) | set(np.unique(proposed[number]))) - {0}:
                here, there = proposed[number] == structure, true == structure
                differs = int((here ^ there).sum())
                if differs > CRUMBS and differs > WRONG * int(here.sum() + there.sum()):
                    self.seconds += OUTLINE
                    ids[number][here] = 0
                    ids[number][there] = structure
            done.add(number)
        self._save(scan)

    def _open(self, scan: int) -> tuple[Ids, set[int]]:
        self.seconds += OPEN
        empty = np.zeros_like(self.truth[scan])
        return self.drawn.setdefault(scan, empty), self.done.setdefault(scan, set())

    def _save(self, scan: int) -> None:
        versions = self.workspace.versions
        grid = self.workspace.scans.grid(scan)
        mask = Mask(
            torch.from_numpy(self.drawn[scan].copy())[None], grid, versions.labels(self.label_set)
        )
        whole = len(self.done[scan]) == grid.shape[0]
        seen = Seen(whole=True) if whole else Seen.of(self.done[scan])
        head = versions.head(scan, self.label_set)
        base = None if head is None else head.id
        versions.save_mask(scan, self.label_set, mask, base=base, by="reader", seen=seen)


def rounds(arm: str, data: Data, reader: Reader, draw: random.Random) -> Iterator[Model | None]:
    """Does the work of each round; takes the model of the round before."""
    scans = list(reader.truth)
    draw.shuffle(scans)
    model: Model | None = None
    slices_each = 3
    for place, count in enumerate(data.rounds):
        before = data.rounds[place - 1] if place else 0
        if arm == "whole" or (arm == "loop" and model is None):
            for scan in scans[before:count]:
                reader.outline(scan, list(range(len(reader.truth[scan]))))
        elif arm == "everything":
            for scan in scans:
                reader.outline(scan, list(range(len(reader.truth[scan]))))
            yield None
            return
        elif arm in IN_SLICES and model is None:
            for scan in scans[: 3 * count]:
                depth = len(reader.truth[scan])
                reader.outline(scan, [depth * k // (slices_each + 1) for k in (1, 2, 3)])
        else:
            assert model is not None
            wanted = 3 * (count - before) if arm in IN_SLICES else count - before
            for scan, found in offered(model, reader, scans, wanted, again=arm in IN_SLICES):
                assert isinstance(found.value, Mask)
                outlined = found.value.data[0].numpy().astype(np.uint8)
                if arm == "loop":
                    reader.correct(scan, range(len(outlined)), outlined)
                    continue
                assert found.uncertainty is not None
                done = sorted(reader.done.get(scan, ()))
                best = next_slices(found.uncertainty, done=done, count=slices_each)
                slices = [one.number for one in best]
                if arm == "mended":
                    reader.correct(scan, slices, outlined)
                else:
                    reader.outline(scan, slices)
        model = yield None


def offered(
    model: Model, reader: Reader, scans: list[int], count: int, *, again: bool
) -> Iterator[tuple[int, Found]]:
    """The scans that would teach the model most, of two dozen that are not labelled yet.

    Where these are too few, ``again`` goes on with those of which some slices are done, the most
    doubtful first, as the worklist does.
    """
    waiting = [scan for scan in scans if scan not in reader.done][:24]
    found = {scan: found_in(model, reader.workspace.scans.volume(scan)) for scan in waiting}
    features = {
        str(scan): features_of(reader.workspace.scans.volume(scan))
        for scan in (*waiting, *reader.done)
    }
    doubts = {str(scan): one.doubt or 0.0 for scan, one in found.items()}
    best = next_scans(doubts, features, labelled=[str(scan) for scan in reader.done], count=count)
    for one in best:
        yield int(one.name), found[int(one.name)]
    if again and (more := count - len(best)) > 0:
        begun = [scan for scan in scans if scan in reader.done and scan not in found]
        seen = {scan: found_in(model, reader.workspace.scans.volume(scan)) for scan in begun}
        for scan in sorted(seen, key=lambda one: -(seen[one].doubt or 0.0))[:more]:
            yield scan, seen[scan]


def trained(reader: Reader, minutes: float, begin: str | Path | Literal[False]) -> Model:
    """A model of all that is labelled; nobody is kept back to choose its best moment by."""
    began = time.monotonic()
    pairing = reader.workspace.pairing(reader.label_set)
    learn = medlib.segmenter(pairing, kind="mr", validation=none_kept(), pretrained=begin)
    learn.fine_tune(minutes=minutes, started=began)
    return learn.model


def dice(model: Model, data: Data) -> list[float]:
    """Of each structure, the mean over the patients kept back."""
    rows = []
    for scan, labels in data.test:
        found = model.predict(scan).data[0].numpy()
        true = np.asarray(nibabel.load(labels).dataobj).T
        rows.append(
            [
                2
                * float(((found == k) & (true == k)).sum())
                / max(1.0, float((found == k).sum() + (true == k).sum()))
                for k in range(1, len(data.names) + 1)
            ]
        )
    return np.mean(rows, axis=0).round(4).tolist()


def run(name: str, arm: str, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row a round: the reader's minutes, and what they are worth."""
    data = SETS[name](given.folder)
    with tempfile.TemporaryDirectory() as work, Workspace(Path(work) / "workspace") as workspace:
        asked = workspace.label_sets.add("organs", data.names, by="reader")
        truth: dict[int, Ids] = {}
        for scan, labels in data.scans:
            (row,) = workspace.scans.add(
                scan, by="reader", kind="mr", file_names=True, copy=False
            ).scans
            truth[row.id] = np.asarray(nibabel.load(labels).dataobj).T.astype(np.uint8)
            assert truth[row.id].shape == workspace.scans.grid(row.id).shape
        reader = Reader(workspace, asked.id, truth)
        work_of = rounds(arm, data, reader, random.Random(given.seed))
        next(work_of)
        begin: str | Path | Literal[False] = BEGINNINGS[given.begin]
        while True:
            model = trained(reader, given.minutes, begin)
            if given.go_on:
                begin = model.save(Path(work) / f"after_{len(reader.done)}.medlib")
            found = dice(model, data)
            yield {
                "set": name,
                "arm": arm,
                "seed": given.seed,
                "begun": f"{given.begin}, then on" if given.go_on else given.begin,
                "training minutes": given.minutes,
                "scans": len(reader.done),
                "slices": sum(map(len, reader.done.values())),
                "reader minutes": round(reader.seconds / 60, 1),
                "labels": dict(zip(data.names, found, strict=True)),
                "dice": round(float(np.mean(found)), 4),
            }
            try:
                work_of.send(model)
            except StopIteration:
                return


ARMS = {
    "everything": "everything, whole",
    "whole": "whole scans",
    "slices": "offered slices",
    "mended": "offered slices, from the model's outline",
    "loop": "whole scans, from the model's outline",
}
IN_SLICES = ("slices", "mended")
BEGINNINGS: dict[str, str | Literal[False]] = {
    "nothing": False,
    "weights": "medlib-synthetic-small",
}


def plotted(rows: list[dict[str, Any]], path: Path) -> None:
    """Dice against the reader's minutes."""
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(row["set"] for row in rows))
    figure = Figure(figsize=(5.2 * len(sets), 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        for arm, words in ARMS.items():
            mine = [r for r in rows if r["set"] == name and r["arm"] == arm]
            if arm != "everything":
                minutes = [r["reader minutes"] for r in mine]
                axes.plot(minutes, [r["dice"] for r in mine], "o-", label=words)
            for row in mine if arm == "everything" else ():
                axes.axhline(row["dice"], color="0.4", lw=1, label=words)
                axes.axhline(0.95 * row["dice"], color="0.4", lw=1, ls=":", label="95% of it")
                axes.axvline(
                    row["reader minutes"] / 4, color="0.4", lw=1, ls="--", label="a quarter"
                )
        axes.set(
            title=name,
            xlabel="minutes of the reader",
            ylabel="Dice on other patients",
            xscale="log",
        )
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", nargs="+", choices=tuple(SETS), default=tuple(SETS))
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=tuple(ARMS))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--begin", choices=tuple(BEGINNINGS), default="nothing")
    parser.add_argument("--go-on", action="store_true")
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if given.journal and given.journal.exists():
        rows = [json.loads(line) for line in given.journal.read_text("utf-8").splitlines()]
    for name in given.set:
        for arm in given.arms:
            if any((r["set"], r["arm"], r["seed"]) == (name, arm, given.seed) for r in rows):
                continue
            made = list(run(name, arm, given))
            rows += made
            if given.journal:
                with given.journal.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in made)
    print("| set | what is labelled | scans | slices | minutes of the reader | Dice |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        said = (row[key] for key in ("set", "arm", "scans", "slices", "reader minutes", "dice"))
        print("| " + " | ".join(map(str, said)) + " |")
    if given.plot:
        plotted(rows, given.plot)
    if given.json:
        given.json.write_text(json.dumps(compared(rows), indent=1), encoding="utf-8")


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each arm's best Dice beside that of everything labelled whole."""
    found = []
    for name in dict.fromkeys(row["set"] for row in rows):
        best = {
            arm: max(r["dice"] for r in rows if r["set"] == name and r["arm"] == arm)
            for arm in dict.fromkeys(row["arm"] for row in rows if row["set"] == name)
        }
        if (most := best.get("everything")) is not None:
            found += [
                {
                    "work": f"{name}, {arm}",
                    "medlib": value,
                    "peer": most,
                    "peer_name": "every scan labelled whole",
                    "unit": "Dice",
                    "ratio": round(value / most, 4),
                }
                for arm, value in best.items()
                if arm != "everything"
            ]
    return found


if __name__ == "__main__":
    main()
