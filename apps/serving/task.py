"""What a viewer asks of the machine, in the scan's own terms: where, of which structure, how far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch

from medlib.space.grid import FloatArray
from medlib.types import Label, Mask, Volume
from serving.door import RefusedError
from serving.drawing import Drawing, painted
from serving.reduced import Blocks
from serving.shelf import Case, Shelf
from serving.turning import Turn, upright
from serving.wire import Patch, Window, window_of

Voxels = TypeVar("Voxels", Volume, Mask)


@dataclass(frozen=True)
class Task:
    """What is asked for, and of what."""

    shelf: Shelf
    case: Case
    base: int
    patch: Patch
    blocks: Blocks

    @cached_property
    def drawing(self) -> Drawing:
        """The outline as it is in the viewer."""
        kept = self.shelf.drawing(self.case, self.base)
        return replace(kept, mask=painted(kept.mask, self.patch, self.blocks))

    @cached_property
    def scan(self) -> Volume:
        """The scan itself, however coarse the viewer has it."""
        return self.shelf.volume(self.case)

    @cached_property
    def turn(self) -> Turn:
        """To the viewer's axes."""
        return Turn.of(self.blocks.coarse)

    @property
    def said(self) -> Mapping[str, Any]:
        """What is wanted."""
        return self.patch.said

    @property
    def label(self) -> Label:
        """The structure that is meant."""
        labels = self.shelf.labels(self.case)
        wanted = self.said.get("structure")
        if wanted not in labels.ids:
            raise RefusedError("Choose a structure first.")
        return labels.by_id(int(wanted))

    @property
    def axis(self) -> int:
        """The scan's own axis along which the viewer's slices of a plane lie."""
        axis = self.said.get("axis")
        if axis not in (0, 1, 2):
            raise RefusedError("Say which plane is meant.")
        return self.turn.order[int(axis)]

    def amount(self, name: str, usual: float) -> float:
        """A positive number that is said, or what is usual."""
        value = self.said.get(name, usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e4:
            raise RefusedError(f"{name} is a number above 0.")
        return float(value)

    def places(self, name: str) -> FloatArray:
        """LPS millimetres of voxels of the viewer, (n, 3)."""
        said = self.said.get(name) or []
        try:
            voxels = np.array(said, dtype=np.float64).reshape(-1, 3)
        except (ValueError, TypeError):
            raise RefusedError("A click does not say where it is.") from None
        if len(voxels) > 200 or not np.isfinite(voxels).all():
            raise RefusedError("Too many clicks: take what there is, and begin anew.")
        return upright(self.blocks.coarse).to_patient(voxels[:, ::-1])

    def whole_blocks(self, window: Window, margin: int = 0) -> Window:
        """The window, wider by some voxels, and by what its blocks hold besides."""
        a, b, c = (
            slice(max(0, w.start - margin), min(n, w.stop + margin))
            for w, n in zip(window, self.blocks.grid.shape, strict=True)
        )
        return self.blocks.fine(self.blocks.holding((a, b, c)))

    def around(self, margin: int = 1) -> tuple[Window, Mask]:
        """Where the structure is, wider by some voxels, and the outline there.

        Raises:
            RefusedError: when nothing of it was drawn.
        """
        mask, label = self.drawing.mask, self.label
        found = window_of(mask.data[0].numpy() == label.id)
        if found is None:
            raise RefusedError(f"Nothing of {label.name} is drawn yet.")
        window = self.whole_blocks(found, margin)
        return window, cut(mask, window)

    def proposal(self, window: Window, data: torch.Tensor, **said: Any) -> Patch:
        """What shall be in a window of whole blocks, as the viewer has it."""
        blocks = self.blocks.holding(window)
        part = self.blocks.part(blocks)
        labels = self.shelf.labels(self.case)
        coarse = part.outline(Mask(data[None], part.grid, labels)).data[0].numpy()
        a, b, c = (w.start for w in self.turn.shown_window(blocks))
        return Patch(Turn.of(part.coarse).view(coarse).astype(np.uint8), (a, b, c), said)

    def edited(self, window: Window, before: Mask, after: Mask, nothing: str) -> Patch:
        """A proposal, if it changes anything."""
        changed = int((before.data != after.data).sum())
        if not changed:
            raise RefusedError(nothing)
        ml = changed * self.blocks.grid.voxel_ml
        return self.proposal(window, after.data[0], words=f"{ml:.3g} ml would change")


def cut(value: Voxels, window: Window) -> Voxels:
    """A window of a scan or of an outline, with all its channels."""
    start, size = [w.start for w in window], [w.stop - w.start for w in window]
    return replace(
        value, data=value.data[(slice(None), *window)], grid=value.grid.window(start, size)
    )
