"""An outline as somebody draws it: its voxels, what is done of it, and what a browser changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from medlib.types import Labels, Mask
from medlib.workspace import Seen
from serving.reduced import Blocks
from serving.turning import Turn
from serving.wire import MaskRefusedError, Patch, patch_of


@dataclass(frozen=True)
class Drawing:
    """An outline of a scan.

    Args:
        mask: on the scan's grid, in one layer; not to be changed in place.
        version: its number in the workspace; 0 where nothing has been saved yet.
        seen: the slices that are done, on the scan's grid.
    """

    mask: Mask
    version: int
    seen: Seen = Seen()  # noqa: RUF009 - frozen

    @property
    def done(self) -> torch.Tensor:
        """(1, slice, row, column), bool: where somebody has finished."""
        blank = replace(self.mask, data=torch.zeros_like(self.mask.data, dtype=torch.uint8))
        return self.seen.applied(blank, 255).data == 0

    def shown(self, blocks: Blocks, said: Mapping[str, Any]) -> Patch:
        """As the viewer has it, on the scan's grid or a coarser one."""
        annotated = self.mask.annotated
        more = {
            "seen": {"whole": self.seen.whole, "slices": shown_slices(self.seen, blocks)},
            "annotated": None if annotated is None else list(annotated),
        }
        return patch_of(blocks.outline(self.mask), {**said, **more})

    def changed(self, patch: Patch, blocks: Blocks) -> Drawing:
        """With what a browser drew, and what it says is done.

        Raises:
            MaskRefusedError: for what cannot be true of this scan.
        """
        said, labels = patch.said, self.mask.labels
        seen = _seen(said.get("seen"), self.seen, blocks)
        annotated = _annotated(said.get("annotated"), labels)
        mask = replace(painted(self.mask, patch, blocks), annotated=annotated)
        return replace(self, mask=mask, seen=seen)


def painted(mask: Mask, patch: Patch, blocks: Blocks) -> Mask:
    """The mask with the voxels of a patch; where that is coarser, with what it changed.

    Raises:
        MaskRefusedError: for ids without a structure.
    """
    if not patch.ids.size:
        return mask
    counts = torch.bincount(torch.from_numpy(patch.ids.copy()).flatten())
    known = {0, mask.labels.ignored, *mask.labels.ids}
    if unknown := [n for n in counts.nonzero().flatten().tolist() if n not in known]:
        raise MaskRefusedError(f"the mask holds ids without a structure: {unknown[:8]}")
    data = mask.data.clone()
    turn = Turn.of(blocks.coarse)
    window = turn.own_window(patch.window)
    part = blocks.part(window)
    at = (0, *blocks.fine(window))
    coarse = torch.zeros(1, *part.coarse.shape, dtype=data.dtype)
    Turn.of(part.coarse).view(coarse[0].numpy())[:] = patch.ids
    before = Mask(data[at][None], part.grid, mask.labels)
    data[at] = part.onto(before, Mask(coarse, part.coarse, mask.labels)).data[0]
    return replace(mask, data=data)


def shown_slices(seen: Seen, blocks: Blocks) -> list[list[int]]:
    """(axis, index) of the slices that are done, as the viewer counts them.

    A slice of a coarser grid is done when all that it stands for are.
    """
    turn, done = Turn.of(blocks.coarse), set(seen.slices)
    coarse = {(axis, index // blocks.factors[axis]) for axis, index in done}
    return sorted(
        [*turn.shown(axis, index)]
        for axis, index in coarse
        if all((axis, fine) in done for fine in _of_block(blocks, axis, index))
    )


def own_slices(shown: list[tuple[int, int]], blocks: Blocks) -> set[tuple[int, int]]:
    """(axis, index) on the scan's own grid of slices as the viewer counts them."""
    turn = Turn.of(blocks.coarse)
    coarse = [turn.own(axis, index) for axis, index in shown]
    return {(axis, fine) for axis, index in coarse for fine in _of_block(blocks, axis, index)}


def _of_block(blocks: Blocks, axis: int, index: int) -> range:
    f = blocks.factors[axis]
    return range(index * f, min((index + 1) * f, blocks.grid.shape[axis]))


def _seen(said: object, before: Seen, blocks: Blocks) -> Seen:
    """What is done, by what the browser says of the slices that it was shown."""
    try:
        whole, slices = said["whole"], [(axis, index) for axis, index in said["slices"]]  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        raise MaskRefusedError("the mask does not say which slices are done") from None
    shape = Turn.of(blocks.coarse).turned
    for axis, index in slices:
        if axis not in (0, 1, 2) or not isinstance(index, int) or not 0 <= index < shape[axis]:
            raise MaskRefusedError("a slice is done that the scan has not: it is of another one")
    if not isinstance(whole, bool):
        raise MaskRefusedError("the mask does not say whether the whole scan is done")
    shown = own_slices([(a, i) for a, i in shown_slices(before, blocks)], blocks)
    kept = set(before.slices) - shown  # of a coarser slice only parts are done: nobody saw them
    return Seen(whole, tuple(sorted(kept | own_slices(slices, blocks))))


def _annotated(said: object, labels: Labels) -> tuple[str, ...] | None:
    if said is None:
        return None
    if not isinstance(said, list) or any(name not in labels.names for name in said):
        raise MaskRefusedError("structures were looked for that nobody asks for")
    return tuple(said)
