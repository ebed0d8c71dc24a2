"""What the server does to an outline when the viewer asks for it.

A request is a :class:`~serving.wire.Patch`: the voxels that are not saved yet, and a line that says
what is wanted. So is the answer: a box of the outline as it would be, which the viewer shows as a
proposal, and words. Voxels (x, y, z) and axes (0 axial, 1 coronal, 2 sagittal) are the viewer's.

========== =====================================================================================
``action`` beside ``structure`` (an id)
========== =====================================================================================
click      ``inside``, ``outside``: voxels; ``low``, ``high``: a box, or ``mm``: how wide it is.
           The answer's line says ``paints``: its other voxels are not meant
model      nothing; without a structure, all that the model outlined. Slices that are ``done`` stay
between    ``axis``, along which slices were drawn
grow       ``mm``: how far
smooth     ``mm``: what is finer goes
largest    nothing
holes      nothing
islands    ``ml``: smaller pieces go
line       ``axis``; answers ``ends``, the longest line within a slice, and ``mm``
next       ``axis``, no structure; answers ``slice``, the next to be drawn, and why
========== =====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch

from medlib import assist
from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.types import Boxes, Mask, Points
from serving.door import RefusedError
from serving.drawing import own_slices, shown_slices
from serving.reduced import Blocks
from serving.shelf import Case, Shelf
from serving.task import Task, cut
from serving.turning import upright
from serving.wire import Patch, Window, window_of

_MOST_VOXELS = 256**3  # of a box that is looked at
_CLICK_MM = 40.0


class Assistant:
    """Answers what viewers ask.

    Args:
        shelf: has the scans.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def answer(self, case: Case, base: int, patch: Patch, blocks: Blocks) -> Patch:
        """The proposal.

        Args:
            case: the scan.
            base: the version that the viewer has.
            patch: what is not saved yet, and what is wanted.
            blocks: how coarse the scan is in the viewer.

        Raises:
            RefusedError, ValueError, KeyError: where it cannot be done, in words.
        """
        task = Task(self._shelf, case, base, patch, blocks)
        act = _ACTIONS.get(str(patch.said.get("action")))
        if act is None:
            raise RefusedError("the machine cannot do this")
        return act(task)


def _click(task: Task) -> Patch:
    inside, outside, label = task.places("inside"), task.places("outside"), task.label
    if not len(inside):
        raise RefusedError(f"Click on {label.name} first.")
    if task.said.get("box"):
        corners = task.places("box")
    else:
        box = assist.box_around(task.scan, Points(inside[:1]), task.amount("mm", _CLICK_MM))
        corners = np.concatenate([box.low, box.high, inside - 3, inside + 3])
    box = Boxes.between(corners.min(0)[None], corners.max(0)[None])
    low, high = box.on(task.scan.grid)[0]
    window = _inner(low, high, task.scan.grid)
    if np.prod([w.stop - w.start for w in window]) > _MOST_VOXELS:
        raise RefusedError(
            "The box is too large: draw it around the structure, with little to spare."
        )
    window = task.whole_blocks(window, 2)  # beyond the box the scan goes on: its sides are no walls
    part = cut(task.scan, window)
    index = np.rint(part.grid.to_index(outside))
    outside = outside[((index >= 0) & (index < part.grid.shape)).all(1)]
    found = assist.outline(part, label, box, Points(inside), Points(outside))
    ml = float((found.data > 0).sum()) * part.grid.voxel_ml
    return task.proposal(window, found.data[0], paints=label.id, words=f"{label.name}, {ml:.3g} ml")


def _inner(low: FloatArray, high: FloatArray, grid: Grid) -> Window:
    start = np.clip(np.floor(low), 0, np.array(grid.shape) - 1).astype(int).tolist()
    stop = np.clip(np.ceil(high) + 1, 1, grid.shape).astype(int).tolist()
    a, b, c = (slice(x, max(x + 1, y)) for x, y in zip(start, stop, strict=True))
    return a, b, c


def _model(task: Task) -> Patch:
    row = task.shelf.predicted(task.case)
    if row is None:
        raise RefusedError("No model has looked at this scan yet.")
    if task.said.get("whole") is True:
        raise RefusedError("The whole scan is done: press W if it is not.")
    predicted, mask = task.shelf.predicted_mask(row.id), task.drawing.mask
    ids = [task.label.id] if task.said.get("structure") else [*mask.labels.ids]
    free = torch.isin(mask.data, torch.tensor([0, *ids], dtype=mask.data.dtype))
    for axis, index in _finished(task):  # no model knows better
        free.select(axis + 1, index).fill_(False)
    theirs = torch.where(torch.isin(predicted.data, torch.tensor(ids)), predicted.data, 0)
    after = replace(mask, data=torch.where(free, theirs.to(mask.data.dtype), mask.data))
    found = window_of((after.data != mask.data)[0].numpy())
    if found is None:
        raise RefusedError("Outside of the slices that are done, it is as the model has it.")
    window = task.whole_blocks(found)
    return task.edited(window, cut(mask, window), cut(after, window), "")


def _between(task: Task) -> Patch:
    axis, label = task.axis, task.label
    window, mask = task.around()
    across = tuple(k for k in range(3) if k != axis)
    drawn = np.flatnonzero((mask.data[0].numpy() == label.id).any(across)).tolist()
    if len(drawn) < 2:
        raise RefusedError(f"Draw {label.name} on two slices at least; those between are filled.")
    if len(drawn) == drawn[-1] - drawn[0] + 1:
        # All slices show it: those that are done stay, and the others are drawn anew.
        done = {index for k, index in _done(task) if k == axis}
        drawn = [n for n in drawn if n + window[axis].start in done]
        if len(drawn) < 2:
            raise RefusedError(
                f"There is no slice without {label.name} between those that show it."
            )
    filled = assist.fill_between(mask, axis=axis, names=(label.name,), drawn=drawn)
    return task.edited(window, mask, filled, "There is nothing to be filled.")


def _done(task: Task) -> set[tuple[int, int]]:
    """Slices that are done by what the viewer says, on the scan's own grid."""
    said = task.said.get("done") or []
    shape = task.turn.turned
    try:
        shown = [(int(a), int(i)) for a, i in said if a in (0, 1, 2) and 0 <= i < shape[a]]
    except (TypeError, ValueError):
        raise RefusedError("It is not said which slices are done.") from None
    return own_slices(shown, task.blocks)


def _finished(task: Task) -> set[tuple[int, int]]:
    """Those, and the slices that are done inside of a coarser one that is not."""
    seen = task.drawing.seen
    told = own_slices(
        [(axis, index) for axis, index in shown_slices(seen, task.blocks)], task.blocks
    )
    return _done(task) | (set(seen.slices) - told)


def _grow(task: Task) -> Patch:
    label, reach = task.label, task.amount("mm", 20.0)
    margin = int(np.ceil(reach / min(task.blocks.grid.spacing)))
    window, mask = task.around(margin)
    grown = assist.grow(cut(task.scan, window), mask, reach_mm=reach)
    own = (grown.data == label.id) & (mask.data == 0)
    after = replace(mask, data=torch.where(own, label.id, mask.data))
    return task.edited(window, mask, after, f"{label.name} meets an edge on all sides.")


def _tidied(
    change: Callable[[Task, Mask, tuple[str]], Mask], nothing: str
) -> Callable[[Task], Patch]:
    def tidy(task: Task) -> Patch:
        window, mask = task.around(margin=4)
        return task.edited(window, mask, change(task, mask, (task.label.name,)), nothing)

    return tidy


def _line(task: Task) -> Patch:
    axis, label = task.axis, task.label
    _, mask = task.around()
    ends = assist.longest_line(mask, label.name, axis=axis).coordinates
    shown = upright(task.blocks.coarse).to_index(ends)[:, ::-1]
    mm = float(np.linalg.norm(ends[1] - ends[0]))
    words = f"{label.name}: {mm:.1f} mm across at its widest"
    return Patch(said={"ends": shown.tolist(), "mm": mm, "words": words})


def _next(task: Task) -> Patch:
    axis, grid = task.axis, task.blocks.grid
    done = sorted(index for k, index in _done(task) if k == axis)
    if len(done) == grid.shape[axis]:
        raise RefusedError("All slices of this plane are done.")
    row = task.shelf.predicted(task.case)
    doubt = task.shelf.doubt(row.id) if row else None
    if doubt is not None:
        (found,) = assist.next_slices(doubt, axis=axis, done=done)
        number, reason = found.number, found.reason
    else:
        number, reason = _farthest(grid.shape[axis], grid.spacing[axis], done)
    shown_axis, index = task.turn.shown(axis, number // task.blocks.factors[axis])
    return Patch(said={"axis": shown_axis, "slice": index, "words": reason})


def _farthest(size: int, step: float, done: list[int]) -> tuple[int, str]:
    """Before a model has looked: as far from slices that are done, and the ends, as can be."""
    numbers = np.arange(size)
    known = np.array([-1, *done, size])
    away = np.abs(numbers[:, None] - known).min(1)
    best = int(away.argmax())
    if not done:
        return best, "in the middle of the scan; no model has looked at it yet"
    near = np.abs(best - np.array(done)).min() * step
    return best, f"{near:.3g} mm from the nearest one done; no model has looked at it yet"


_ACTIONS: Mapping[str, Callable[[Task], Patch]] = {
    "click": _click,
    "model": _model,
    "between": _between,
    "grow": _grow,
    "smooth": _tidied(
        lambda task, mask, names: assist.smooth(mask, task.amount("mm", 3.0), names),
        "It is as smooth as that already.",
    ),
    "largest": _tidied(
        lambda task, mask, names: assist.keep_largest(mask, names), "It is in one piece already."
    ),
    "holes": _tidied(
        lambda task, mask, names: assist.fill_holes(mask, names), "There are no holes in it."
    ),
    "islands": _tidied(
        lambda task, mask, names: assist.remove_islands(mask, task.amount("ml", 0.1), names),
        "There are no pieces as small as that.",
    ),
    "line": _line,
    "next": _next,
}
