"""Datasets: cases read, preprocessed once, augmented anew each time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from medlib.data.blocks import Block
from medlib.data.cases import Case
from medlib.data.store import Store
from medlib.infer import shown
from medlib.space import Grid
from medlib.transforms import Item, Pipeline, Trail
from medlib.types import Gridded, Kind, MultiVolume, Reference, Volume

Blocks = tuple[Block, ...]  # those that are seen, and last the one that is learned

_NOT_READ = {"patient", "study", "site", "split"}  # they decide who is trained on, not what is seen


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Args:
        x: (item, channel, slice, row, column), float32.
        targets: of each item what is to be learned: a mask, a category, points, …
        grids: of each item what it lies on.
        names: one for each item.
        trails: one for each item, so that each can be led back by itself.
    """

    x: Tensor
    targets: tuple[Kind, ...]
    grids: tuple[Grid, ...] = ()
    names: tuple[str, ...] = ()
    trails: tuple[Trail, ...] = ()

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The batch on another device."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The batch in memory from which a graphics card reads while the processor goes on.

        PyTorch's loaders call it.

        Raises:
            RuntimeError: where there is no graphics card.
        """
        return self._with(Tensor.pin_memory)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Batch:
        targets = tuple(
            replace(t, data=change(t.data)) if isinstance(t, Gridded) else t for t in self.targets
        )
        return replace(self, x=change(self.x), targets=targets)


class Dataset(torch.utils.data.Dataset[Item]):
    """Cases as items: what is seen of each, and last what is to be learned of it.

    What ``preprocess`` makes of a case is kept: in a store on disk, if one is given, and mapped
    into memory while it is looked at; without one, or where it is full, in memory up to
    ``keep_bytes``, beyond which it is made anew. So any number of cases takes no more memory than
    that. An index is ``(round, number)``: the same pair always gives the same item.

    Args:
        cases: with labels.
        blocks: of what is seen, in order, and last of what is to be learned.
        preprocess: the same for every round.
        augment: drawn anew each round.
        seed: of the augmentation.
        keep_bytes: memory for preprocessed items, and for truths that were asked for; of all
            processes that prepare batches together (:meth:`among`).
        store: a folder on disk for them.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        blocks: Blocks,
        *,
        preprocess: Pipeline,
        augment: Pipeline,
        seed: int = 0,
        keep_bytes: int = 4 << 30,
        store: Store | None = None,
    ) -> None:
        self.cases = tuple(cases)
        self.blocks = blocks
        self.preprocess = preprocess
        self.augment = augment
        self.seed = seed
        self.store = store
        self.keep_bytes = self._room = keep_bytes
        self._keys: dict[int, str] = {}
        self._kept: dict[int, Item] = {}
        self._truths: dict[int, Kind] = {}

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: tuple[int, int]) -> Item:
        epoch, number = index
        return self.augment(self.prepared(number), seed=self.seed, epoch=epoch)

    def raw(self, number: int) -> Item:
        """The case as it lies on disk: what is seen and the truth, on the scan's own grid.

        Raises:
            ValueError: naming the case, when either cannot be read or they do not fit.
        """
        case = self.cases[number]
        truth = self._truths[number] if number in self._truths else self._read_truth(case)
        try:
            seen = [block.read(case, on=case.leading.grid) for block in self.blocks[:-1]]
            asked = Reference(truth) if isinstance(truth, Volume | MultiVolume) else truth
            return Item((*seen, asked), name=case.name)
        except ValueError as error:
            raise ValueError(f"{case.name}: {error}") from error

    def prepared(self, number: int) -> Item:
        """The case after ``preprocess``."""
        if number in self._kept:
            return self._kept[number]
        if self.store is None:
            item = self._made(number)
        else:
            # What is mapped counts as if it were all in memory, and in time may be.
            item = self.store.item(self._key(number, self.store), lambda: self._made(number))
        size = sum(v.data.nbytes for v in item.values if hasattr(v, "data"))
        if size <= self._room:
            self._room -= size
            self._kept[number] = item
        return item

    def _key(self, number: int, store: Store) -> str:
        """All that a prepared item depends on."""
        if number not in self._keys:
            parts = _parts(self.cases[number])
            self._keys[number] = store.digest(*parts, self.blocks, self.preprocess, self.seed)
        return self._keys[number]

    def _made(self, number: int) -> Item:
        return self.preprocess(self.raw(number), seed=self.seed)

    def truth(self, number: int) -> Kind:
        """What is known of the case, as it was drawn or written: a mask on the scan's own grid."""
        if number in self._truths:
            return self._truths[number]
        truth = self._read_truth(self.cases[number])
        size = truth.data.nbytes if isinstance(truth, Gridded | MultiVolume) else 0
        if size <= self._room:
            self._room -= size
            self._truths[number] = truth
        return truth

    def _read_truth(self, case: Case) -> Kind:
        try:
            return self.blocks[-1].read(case, on=case.leading.grid)
        except ValueError as error:
            raise ValueError(f"{case.name}: {error}") from error

    def transformed(self, preprocess: Pipeline, augment: Pipeline) -> Dataset:
        """The same cases under other transforms; what was read of the truth is not read again."""
        other = Dataset(
            self.cases,
            self.blocks,
            preprocess=preprocess,
            augment=augment,
            seed=self.seed,
            keep_bytes=self.keep_bytes,
            store=self.store,
        )
        other._truths = dict(self._truths)
        known = [t for t in self._truths.values() if isinstance(t, Gridded | MultiVolume)]
        other._room -= sum(truth.data.nbytes for truth in known)
        return other

    def among(self, workers: int) -> Dataset:
        """The same dataset for each of so many processes, which together keep no more than one may.

        What is kept here already, processes that are forked share; what is left of the memory is
        dealt out among them. Those that are spawned get nothing of it, and an equal part of all.
        """
        if not workers:
            return self
        other = copy.copy(self)
        other._kept, other._truths = dict(self._kept), dict(self._truths)
        other.keep_bytes, other._room = self.keep_bytes // workers, self._room // workers
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Nothing that is kept goes to another process: it would be there twice."""
        return vars(self) | {"_kept": {}, "_truths": {}, "_room": self.keep_bytes}

    def collate(self, items: Sequence[Item]) -> Batch:
        """Items of one shape as a batch."""
        return collate(items, self.blocks)


def _parts(case: Case) -> Iterator[object]:
    """All that is read of a case: what it is called, its files one by one, and what is said of it."""
    for field in fields(case):
        value = getattr(case, field.name)
        if field.name in _NOT_READ:
            continue
        yield field.name
        if isinstance(value, Mapping):
            for name in sorted(value):
                yield from (name, value[name])
        else:
            yield value


def collate(items: Sequence[Item], blocks: Blocks) -> Batch:
    """Items of one shape as a batch, each with its own trail.

    Raises:
        ValueError: when the items differ in shape, naming two.
    """
    first = items[0]
    for other in items[1:]:
        if other.grid.shape != first.grid.shape:
            raise ValueError(
                f"a batch needs items of one shape, but {first.name} is {first.grid.shape} and "
                f"{other.name} is {other.grid.shape}; end the augmentation with RandomPatch or "
                "CropOrPad"
            )
    inputs = [block.input for block in blocks[:-1]]
    return Batch(
        x=torch.stack([shown(inputs, item.values[:-1], item.grid) for item in items]),
        targets=tuple(blocks[-1].output.target(_plain(item.values[-1])) for item in items),
        grids=tuple(item.grid for item in items),
        names=tuple(item.name for item in items),
        trails=tuple(item.trail for item in items),
    )


def _plain(asked: Kind) -> Kind:
    return asked.scan if isinstance(asked, Reference) else asked


class Rounds(Sampler[list[tuple[int, int]]]):
    """Batches of (round, number), each round in an order of its own, without end.

    A batch may span two rounds, so that every batch is full however few cases there are.

    Args:
        count: of cases.
        batch_size: of each batch.
        seed: of the order.
        start: batches to leave out, so that a run can go on where it stopped.
        share: (number, count) of processes that train together: each gets every ``count``-th batch.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        seed: int = 0,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.count, self.batch_size, self.seed, self.start = count, batch_size, seed, start
        self.share = share

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        number, processes = self.share
        place = (self.start * processes + number) * self.batch_size
        order: list[int] = []
        current = -1
        while True:
            batch = []
            for _ in range(self.batch_size):
                epoch, at = divmod(place, self.count)
                if epoch != current:
                    generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
                    order = torch.randperm(self.count, generator=generator).tolist()
                    current = epoch
                batch.append((epoch, order[at]))
                place += 1
            place += (processes - 1) * self.batch_size
            yield batch
