"""Structures outlined on a grid: masks, and how sure a model is of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medlib.types.gridded import Gridded
from medlib.types.labels import NO_LABELS, Labels

_SITES = 10_000  # voxels of each label that are remembered


@dataclass(frozen=True, eq=False, repr=False)
class Mask(Gridded):
    """Structures outlined voxel by voxel.

    Args:
        data: (layer, slice, row, column), integers: 0 is background, any other number a label's
            id. One layer holds structures that do not overlap; structures that do (a tumour in a
            liver) lie in different layers. An id means the same in every layer.
        grid: where its voxels are.
        labels: the table of ids.
        annotated: the names of the structures that whoever drew the mask looked for, in the
            table's order; None for all of them.

    A mask need not know everything. Voxels that bear the id ``labels.ignored`` were not looked at
    (slices that nobody drew on); structures that are not in ``annotated`` were not looked for
    (a scan of which only the liver was drawn). Neither is ever background:

    - measures, volumes, boxes and pictures leave both out;
    - a loss leaves out the voxels of :meth:`unseen`, and of the others asks only what is known: a
      voxel that bears a structure is that structure; one that bears none may still be any of those
      that were not looked for, so that their probabilities are added to background's before the
      two are compared (marginal loss: Fang and Yan 2020; Shi et al. 2021);
    - sampling takes patches about structures that were looked for, and none in which nothing was
      looked at;
    - metrics compare :attr:`known` structures only, outside of :meth:`unseen`: what is predicted
      there is neither right nor wrong.

    Raises:
        ValueError: when the tensor is not of integers, or ``annotated`` names what the table does
            not have. Ids outside the table are looked for by :meth:`unknown_ids`, which reads
            every voxel and so is called where masks enter.

    Example:
        >>> from medlib.space import Grid
        >>> table = Labels.of(["liver", "spleen"], ignored=9)
        >>> voxels = torch.tensor([[[[0, 1, 1, 9]]]])
        >>> mask = Mask(voxels, Grid.from_axes((1, 1, 4)), table, annotated=("liver",))
        >>> mask.known.names, mask.present_ids(), mask.unseen().sum().item()
        (('liver',), [1], 1)
    """

    labels: Labels = NO_LABELS
    annotated: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.is_floating_point() or self.data.is_complex():
            raise ValueError(f"a mask holds integers, not {self.data.dtype}")
        if self.annotated is None:
            return
        names: Sequence[str] = self.annotated
        if isinstance(names, str):  # it would be a name a letter
            raise TypeError(f"several names are annotated: ({names!r},), not one string")
        if strange := [name for name in names if name not in self.labels]:
            raise ValueError(
                f"{', '.join(strange)} cannot have been annotated, since the label table has "
                f"{', '.join(self.labels.names) or 'no names'} only"
            )
        in_order = tuple(name for name in self.labels.names if name in names)
        object.__setattr__(self, "annotated", in_order)

    @property
    def known(self) -> Labels:
        """The labels that were looked for: the table without those that were not."""
        if self.annotated is None:
            return self.labels
        found = (label for label in self.labels if label.name in (self.annotated or ()))
        return Labels(tuple(found), self.labels.ignored)

    def unseen(self) -> Tensor:
        """Where nobody looked: (slice, row, column), bool."""
        if self.labels.ignored is None:
            return torch.zeros(self.grid.shape, dtype=torch.bool, device=self.data.device)
        return (self.data == self.labels.ignored).any(0)

    def unknown_ids(self) -> list[int]:
        """Ids in the tensor that the label table does not know."""
        return sorted(set(self.present_ids()) - set(self.labels.ids))

    def present_ids(self) -> list[int]:
        """Ids, other than 0 and that of voxels nobody looked at, that occur in the tensor."""
        if self.data.numel() == 0:
            return []
        nothing = {0, self.labels.ignored}
        flat = self.data.reshape(-1)
        if flat.dtype == torch.bool:
            return [1] if bool(flat.any()) else []
        if int(flat.min()) < 0 or int(flat.max()) > 65535:
            return [i for i in torch.unique(flat).tolist() if i not in nothing]
        return [i for i in torch.bincount(flat).nonzero().flatten().tolist() if i not in nothing]

    def structure(self, name: str) -> Tensor:
        """Where the structure of this name is: (slice, row, column), bool."""
        return (self.data == self.labels[name].id).any(0)

    def volume_ml(self, name: str) -> float:
        """Volume in millilitres of the structure of this name."""
        return int(self.structure(name).sum()) * self.grid.voxel_ml

    def extents(self) -> dict[int, tuple[slice, slice, slice]]:
        """For each id present, in order, the smallest window of the tensor that holds it all.

        Voxels that nobody looked at are no structure. One pass for all ids together.

        Raises:
            ValueError: for ids that no label can have.
        """
        from scipy.ndimage import find_objects

        found: dict[int, tuple[slice, slice, slice]] = {}
        for layer in self._countable():
            for label_id, window in enumerate(find_objects(layer.numpy()), start=1):
                if window is not None and label_id != self.labels.ignored:
                    found[label_id] = _enclosing(found.get(label_id, window), window)
        return dict(sorted(found.items()))

    @cached_property
    def sites(self) -> Mapping[int, npt.NDArray[np.int32]]:
        """For each id present, in order, the indices (n, 3) of some of its voxels.

        All of them, in the array's order; of more than ten thousand, that many, evenly spread over
        that order. They are looked for once and kept with the mask, so that a patch on a label
        costs no pass over the voxels.

        Raises:
            ValueError: for ids that no label can have.
        """
        layers = self._countable().numpy()
        found: dict[int, npt.NDArray[np.int32]] = {}
        for label_id, window in self.extents().items():
            inside = np.flatnonzero((layers[:, *window] == label_id).any(0))
            spread = np.linspace(0, len(inside) - 1, min(len(inside), _SITES)).astype(np.int64)
            index = np.unravel_index(inside[spread], [w.stop - w.start for w in window])
            starts = np.array([w.start for w in window], dtype=np.int32)
            found[label_id] = np.stack(index, axis=1).astype(np.int32) + starts
            found[label_id].setflags(write=False)
        return found

    @cached_property
    def looked_at(self) -> npt.NDArray[np.int32] | None:
        """Indices (n, 3) of some of the voxels that somebody looked at; None where that is all.

        As :attr:`sites`, at most ten thousand, evenly spread, looked for once.
        """
        unseen = self.unseen()
        if not bool(unseen.any()):
            return None
        inside = np.flatnonzero(~unseen.cpu().numpy())
        spread = np.linspace(0, len(inside) - 1, min(len(inside), _SITES)).astype(np.int64)
        index = np.stack(np.unravel_index(inside[spread], self.grid.shape), axis=1)
        return index.astype(np.int32)

    def volumes_ml(self) -> dict[str, float]:
        """Volume in millilitres of each label that was looked for, 0 for one that is not there.

        Where there are voxels that nobody looked at, a structure may be larger. One pass over the
        voxels for all labels together.

        Raises:
            ValueError: for ids that no label can have.
        """
        counts = torch.zeros(65536, dtype=torch.int64)
        layers = self._countable()
        for number, layer in enumerate(layers):
            fresh = layer
            for earlier in layers[:number]:  # a voxel with one id in two layers is one voxel
                fresh = fresh.where(layer != earlier, 0)
            counts += torch.bincount(fresh.reshape(-1), minlength=65536)
        return {label.name: int(counts[label.id]) * self.grid.voxel_ml for label in self.known}

    def _countable(self) -> Tensor:
        """The tensor on the processor, its ids known to be such as labels have."""
        data = self.data.cpu()
        layers = data.byte() if data.dtype == torch.bool else data
        low, high = (int(end) for end in layers.aminmax()) if layers.numel() else (0, 0)
        if low < 0 or high > 65535:
            raise ValueError(
                f"the mask holds ids from {low} to {high}; ids run from 1 to 65535, 0 is background"
            )
        return layers

    @property
    def overlaps(self) -> bool:
        """Whether structures may overlap (there is more than one layer)."""
        return self.data.shape[0] > 1


@dataclass(frozen=True, eq=False, repr=False)
class Probabilities(Gridded):
    """How sure a model is of each structure.

    Args:
        data: (1 + labels, slice, row, column), floating point; channel 0 is background, the
            others the labels in the table's order.
        grid: where its voxels are.
        labels: the table.

    Raises:
        ValueError: when the tensor is not floating point, or has another number of channels.
    """

    labels: Labels = NO_LABELS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.data.is_floating_point():
            raise ValueError(f"probabilities are floating point, not {self.data.dtype}")
        if self.data.shape[0] != len(self.labels) + 1:
            raise ValueError(
                f"probabilities of {len(self.labels)} labels need {len(self.labels) + 1} channels "
                f"(background first), got {self.data.shape[0]}"
            )


def _enclosing(
    one: tuple[slice, slice, slice], other: tuple[slice, slice, slice]
) -> tuple[slice, slice, slice]:
    """The smallest window that holds both."""
    a, b, c = (
        slice(min(i.start, j.start), max(i.stop, j.stop)) for i, j in zip(one, other, strict=True)
    )
    return a, b, c
