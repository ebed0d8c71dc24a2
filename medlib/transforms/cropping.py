"""Recipes that choose a part of the scan, or add empty space around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from medlib.space.grid import FloatArray
from medlib.transforms.chance import Chance
from medlib.transforms.move import Move
from medlib.transforms.recipe import Transform, the_scan
from medlib.transforms.scene import Scene
from medlib.types import Mask, MultiVolume

Shape = tuple[int, int, int]

_TRIES = 256  # voxels of a label that are tried before it counts as cut away


@dataclass(frozen=True)
class CropOrPad(Transform):
    """Cuts or pads to ``shape`` voxels about the middle.

    Args:
        shape: along (slice, row, column); 0 leaves that axis as it is.
    """

    shape: Shape

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when the size is already so."""
        own = scene.grid.shape
        wanted = [w or n for w, n in zip(self.shape, own, strict=True)]
        if wanted == list(own):
            return None
        start = [(n - w) // 2 for n, w in zip(own, wanted, strict=True)]
        return Move(scene.grid, scene.grid.window(start, wanted))


@dataclass(frozen=True)
class PadTo(Transform):
    """Pads to at least ``shape`` voxels, about the middle; cuts nothing.

    Args:
        shape: along (slice, row, column).
    """

    shape: Shape

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when the scan is large enough."""
        larger = tuple(max(n, w) for n, w in zip(scene.grid.shape, self.shape, strict=True))
        return CropOrPad((larger[0], larger[1], larger[2])).draw(scene, chance)


@dataclass(frozen=True)
class CropToForeground(Transform):
    """Cuts away the empty space around what is brighter than a threshold.

    Args:
        above: in the volume's units; None takes the volume's background value.
        margin: voxels kept around it.
    """

    above: float | None = None
    margin: int = 0

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when there is nothing to cut (or nothing to keep)."""
        scan = the_scan(scene.values)
        series = scan.parts if isinstance(scan, MultiVolume) else (scan,)
        bright = torch.zeros(scan.grid.shape, dtype=torch.bool, device=scan.data.device)
        for part in series:
            bright |= (part.data > (part.background if self.above is None else self.above)).any(0)
        start, stop = [], []
        for axis in range(3):
            others = [k for k in range(3) if k != axis]
            reached = bright.any(others[1]).any(others[0]).nonzero()
            if len(reached) == 0:
                return None
            start.append(max(0, int(reached[0]) - self.margin))
            stop.append(min(bright.shape[axis], int(reached[-1]) + 1 + self.margin))
        shape = [b - a for a, b in zip(start, stop, strict=True)]
        if shape == list(scene.grid.shape):
            return None
        return Move(scene.grid, scene.grid.window(start, shape))


@dataclass(frozen=True)
class RandomPatch(Transform):
    """Cuts a patch at random, often centred on a labelled structure.

    Moves before it are not carried out on the whole scan: the patch is the only grid that
    voxels are read on. Labels take turns: a small lesion is chosen as often as a large liver.

    Args:
        shape: of the patch, along (slice, row, column); a scan that is smaller is padded.
        on_label: how often the patch is centred on a voxel of a label drawn at random from
            those in the mask, rather than anywhere.
    """

    shape: Shape
    on_label: float = 0.5

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """The move onto the patch."""
        room = np.array(scene.grid.shape) - np.array(self.shape)
        centre = self._label_voxel(scene, chance.rng) if chance.happens(self.on_label) else None
        if centre is None:
            start = np.floor(chance.rng.random(3) * (np.abs(room) + 1)) * np.sign(room)
        else:
            wobble = (chance.rng.random(3) - 0.5) * np.array(self.shape) / 2
            start = np.rint(centre + wobble - (np.array(self.shape) - 1) / 2)
        start = np.clip(start, np.minimum(room, 0), np.maximum(room, 0))
        return Move(scene.grid, scene.grid.window(start.astype(int).tolist(), self.shape))

    def _label_voxel(self, scene: Scene, rng: np.random.Generator) -> FloatArray | None:
        """Index on the scene's grid of a voxel of some label; None where no label is to be seen.

        Labels, and then voxels, are tried in random order, since moves may have taken them away.
        """
        mask = next((v for v in scene.unmoved if isinstance(v, Mask)), None)
        if mask is None:
            return None
        for label in rng.permutation(mask.present_ids()).tolist():
            found = torch.nonzero((mask.data == label).any(0).flatten()).flatten()
            tried = found[torch.from_numpy(rng.integers(len(found), size=_TRIES))].cpu().numpy()
            index = np.stack(np.unravel_index(tried, mask.grid.shape), axis=-1)
            moved = scene.grid.to_index(scene.moved(mask.grid.to_patient(index)))
            inside = ((moved >= -0.5) & (moved <= np.array(scene.grid.shape) - 0.5)).all(-1)
            if inside.any():
                return moved[np.argmax(inside)]  # type: ignore[no-any-return]
        return None
