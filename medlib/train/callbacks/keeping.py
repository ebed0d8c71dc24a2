"""Keeping the best weights: one set in memory, or several on disk."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from medlib.train.callbacks.base import Callback
from medlib.train.record import replaced
from medlib.train.scores import Scores

if TYPE_CHECKING:
    from medlib.train.learner import Learner

_FORMAT = "medlib-best-1"


class BestWeights(Callback):
    """Keeps the weights that scored best in validation, and puts them back at the end.

    Those in use at the end are kept if they were never beaten. Every learner has one.

    Example:
        >>> best = BestWeights()
        >>> best.best
        -inf
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.best = -math.inf
        self._weights: dict[str, torch.Tensor] | None = None
        self._scores = Scores()

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The best weights so far, and their scores."""
        if self._weights is None:
            return {}, {}
        return self._weights, {"best": self.best, "scores": self._scores.to_dict()}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Go on from them."""
        if values:
            self._weights, self.best = tensors, values["best"]
            self._scores = Scores.from_dict(values["scores"])

    def before_fit(self, learn: Learner) -> None:
        """Another training begins, perhaps with other validation cases."""
        self._begin()

    def after_validation(self, learn: Learner) -> None:
        """Keep a copy if this is the best so far."""
        if learn.scores.merit >= self.best:
            self.best = learn.scores.merit
            self._weights = copy.deepcopy(learn.network.state_dict())
            self._scores = learn.scores

    def after_fit(self, learn: Learner) -> None:
        """Put the best weights back, and the scores that belong to them."""
        if self._weights is not None:
            learn.network.load_state_dict(self._weights)
            learn.scores = self._scores


@dataclass(frozen=True)
class Kept:
    """Weights on disk, and how good they were.

    Args:
        path: of the safetensors file.
        step: after which they were measured.
        merit: :attr:`medlib.train.Scores.merit`; more is better.
        scores: of the validation cases.
    """

    path: Path
    step: int
    merit: float
    scores: Scores

    def load(self, network: nn.Module) -> None:
        """Put the weights into a network."""
        from safetensors.torch import load_file

        network.load_state_dict(load_file(self.path))


class BestCheckpoints(Callback):
    """Keeps the best few weights on disk: safetensors, and a table of them, ``best.json``.

    Files are written whole; whatever the table names is there. Those that are beaten are removed.
    Several trainings may use a folder, one after another, if they are measured on the same cases.

    Args:
        folder: for the files.
        keep: how many weights.

    Raises:
        ValueError: for fewer than one.

    Example:
        >>> best = BestCheckpoints("best", keep=3)  # learner = Learner(…, callbacks=[best])
        >>> for kept in best.kept:  # also in another process, on another day
        ...     print(kept.step, kept.merit)  # kept.load(network) puts them into one
    """

    once: ClassVar[bool] = True

    def __init__(self, folder: str | Path, *, keep: int = 3) -> None:
        if keep < 1:
            raise ValueError(f"at least one set of weights has to be kept, not {keep}")
        self.folder, self.keep = Path(folder), keep

    @property
    def kept(self) -> tuple[Kept, ...]:
        """What lies in the folder, the best first.

        Raises:
            ValueError: when its table is of another format.
        """
        path = self.folder / "best.json"
        if not path.exists():
            return ()
        table = json.loads(path.read_text(encoding="utf-8"))
        if table.get("format") != _FORMAT:
            raise ValueError(f"{path} is no table of weights of this version of medlib")
        return tuple(
            Kept(
                self.folder / row["file"],
                row["step"],
                row["merit"],
                Scores.from_dict(row["scores"]),
            )
            for row in table["kept"]
        )

    def before_fit(self, learn: Learner) -> None:
        """Find out now that what is to be compared cannot be.

        Raises:
            ValueError: when the folder holds weights that were measured on other cases.
        """
        names = {case.name for case in learn.data.valid.cases}
        if any(set(kept.scores.cases) != names for kept in self.kept):
            raise ValueError(
                f"{self.folder} holds weights that were measured on other validation cases, which "
                "cannot be compared with these; name another folder"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tidy(self.kept)

    def after_validation(self, learn: Learner) -> None:
        """Write these weights, if they are among the best."""
        merit, before = learn.scores.merit, self.kept
        if math.isnan(merit) or (len(before) >= self.keep and merit < before[-1].merit):
            return
        new = Kept(self._written(learn.network), learn.step, merit, learn.scores)
        others = [kept for kept in before if kept.path != new.path]
        # Of two that are equally good, the later one.
        best = sorted([new, *others], key=lambda kept: kept.merit, reverse=True)[: self.keep]
        self._tabulate(best)
        self._tidy(best)

    def _tidy(self, best: Sequence[Kept]) -> None:
        """Remove what was beaten, and what a writer that was killed has left."""
        ours = ("weights_*.safetensors", ".weights_*.part", ".best.json.part")
        left = {path for pattern in ours for path in self.folder.glob(pattern)}
        for path in left - {kept.path for kept in best}:
            path.unlink()

    def _written(self, network: nn.Module) -> Path:
        """Named by its content: after going on from a checkpoint, the same weights are one file."""
        from safetensors.torch import save

        tensors = {
            n: t.detach().cpu().contiguous().clone() for n, t in network.state_dict().items()
        }
        content = save(tensors)
        name = f"weights_{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
        with replaced(self.folder / name) as partial:
            partial.write_bytes(content)
        return self.folder / name

    def _tabulate(self, best: Sequence[Kept]) -> None:
        rows = [
            {
                "file": kept.path.name,
                "step": kept.step,
                "merit": kept.merit,
                "scores": kept.scores.to_dict(),
            }
            for kept in best
        ]
        text = json.dumps({"format": _FORMAT, "kept": rows}, indent=1) + "\n"
        with replaced(self.folder / "best.json") as partial:
            partial.write_text(text, encoding="utf-8")
