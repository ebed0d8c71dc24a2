"""Folds on disk, finished or begun, so that what was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from medlib.cross_validation.figures import Fold
from medlib.data import Case
from medlib.data.splitters import Split
from medlib.data.written import packed, unpacked
from medlib.io.files import written_whole
from medlib.io.tensors import write_tensors
from medlib.package import Model, load
from medlib.train import Scores
from medlib.train.identity import loss_said, optimiser_said
from medlib.transforms import Item

if TYPE_CHECKING:
    from medlib.tasks import Task


@dataclass(frozen=True)
class KeptFold:
    """Where a fold that is finished lies: its model, its answers, and, written last, its figures.

    Args:
        folder: of all folds.
        number: of this one, from 1.
        identity: what must be the same for a fold to be this one; see :func:`identity`.
        network: that the fold's model is read with, if medlib cannot make it.
    """

    folder: Path
    number: int
    identity: Mapping[str, str]
    network: nn.Module | None = None

    def _path(self, ending: str) -> Path:
        return self.folder / f"fold_{self.number}{ending}"

    @property
    def checkpoint(self) -> Path:
        """Where its training stands, as long as it is not finished."""
        return self._path(".checkpoint")

    def write(self, fold: Fold) -> Fold:
        """Write it, and read it again: what is reported is what lies there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fold.model.save(self._path(".medlib"))
        said, tensors = packed(Item(tuple(kind for _, *both in fold.answers for kind in both)))
        with written_whole(self._path(".safetensors")) as partial:
            write_tensors(partial, tensors)
        values = {
            "medlib_fold": 1,
            "identity": dict(self.identity),
            "scores": fold.scores.to_dict(),
            "names": [name for name, *_ in fold.answers],
            "answers": said,
            "trained_on": fold.trained_on,
        }
        with written_whole(self._path(".json")) as partial:
            partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        again = self.read()
        assert again is not None
        return again

    def read(self) -> Fold | None:
        """The fold, if it is finished.

        Raises:
            ValueError: when what lies there is damaged, or of another cross-validation.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not self._path(".json").exists():
            return None
        try:
            values = json.loads(self._path(".json").read_text(encoding="utf-8"))
            theirs = values["identity"]
            if other := [name for name, own in self.identity.items() if theirs.get(name) != own]:
                raise ValueError(
                    f"it is of another cross-validation ({', '.join(other)} differ); name another "
                    "folder, or go on with what it was begun with"
                )
            kinds = unpacked(values["answers"], load_file(self._path(".safetensors"))).values
            answers = tuple(zip(values["names"], kinds[::2], kinds[1::2], strict=True))
            scores = Scores.from_dict(values["scores"])
            model = load(self._path(".medlib"), network=self.network)
            assert isinstance(model, Model)
            return Fold(model, scores, answers, values["trained_on"])
        except (ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
            raise ValueError(f"{self._path('.json')}: {error}") from error


def identity(
    learn: Task, split: Split, minutes: float | None, epochs: int | None
) -> dict[str, str]:
    """What must be the same for a fold to be the same one, by what it is called."""
    learner, plan = learn.learner, learn.plan.to_dict()
    known = {
        "the cases": [[case.name, case.patient] for case in learn.pairing.cases],
        "the training cases": sorted(case.name for case in split[0]),
        "what is known of them": [_state(case) for side in split for case in side],
        "what is asked": repr(learn.output),
        "the plan": plan,
        "the length": [minutes, epochs],
        "the choices": [learner.seed, learner.batch_size, learner.accumulate, learner.rate],
        "the optimiser": optimiser_said(learner),
        "the loss": loss_said(learner.loss),
        "the callbacks": [
            [type(one).__qualname__, settings]
            for one in learner.callbacks
            if (settings := one.made_with()) is not None
        ],
        "the pretrained weights": str(learn.loaded),
    }
    if learn.own is not None:
        known["the given network"] = learn.own.digest
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for name, value in known.items()
    }


def _state(case: Case) -> list[Any]:
    """What is known of a case: answers, and files, the scan's too, by size and time of change."""
    drawn = (case.label, case.points, case.boxes, *case.masks.values())
    scans = (file for stack in case.stacks for file in stack.files)
    files = [
        *(path for path in drawn if path is not None),
        *dict.fromkeys(Path(f.path if f.archive is None else f.archive.path) for f in scans),
    ]
    return [
        case.name,
        sorted(case.answers.items()),
        list(case.annotated or ()),
        *(list(_changed(path)) for path in files),
    ]


def _changed(path: Path) -> Iterator[int]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        stat = file.stat()
        yield from (stat.st_size, stat.st_mtime_ns)
