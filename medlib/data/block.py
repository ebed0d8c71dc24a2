"""The data block: what the data are, said once, in parts that can each be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils.data import DataLoader

from medlib.data.ahead import ahead
from medlib.data.cases import Case
from medlib.data.checking import Reasons, usable
from medlib.data.dataset import Batch, Blocks, Dataset, Rounds
from medlib.data.leaks import check_pictures, check_split
from medlib.data.splitters import Split, Splitter, by_patient
from medlib.data.store import Store
from medlib.data.summary import Summary, summarised
from medlib.infer import Input, Output
from medlib.transforms import Pipeline


@dataclass(frozen=True)
class Datasets:
    """The cases that are trained on, and those kept back.

    Args:
        train: to learn from.
        valid: to choose a model by.
        set_aside: (name, reason) of each case that cannot be used.
    """

    train: Dataset
    valid: Dataset
    set_aside: Reasons = ()

    @property
    def blocks(self) -> Blocks:
        """What is seen, in order, and last what is to be learned."""
        return self.train.blocks

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What a network is shown."""
        return tuple(block.input for block in self.blocks[:-1])

    @property
    def channels(self) -> int:
        """How many channels that is."""
        return sum(one.channels for one in self.inputs)

    @property
    def output(self) -> Output:
        """What is asked of a network."""
        return self.blocks[-1].output

    def transformed(self, preprocess: Pipeline, augment: Pipeline) -> Datasets:
        """The same cases under other transforms: what a plan decides after a look at them."""
        return Datasets(
            self.train.transformed(preprocess, augment),
            self.valid.transformed(preprocess, augment),
            self.set_aside,
        )

    def batches(
        self,
        *,
        batch_size: int,
        seed: int = 0,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
        workers: int = 0,
        pinned: bool = False,
    ) -> Iterator[Batch]:
        """Training batches without end.

        Args:
            batch_size: items in each.
            seed: of the order.
            start: batches to leave out.
            share: (number, count) of processes that train together: each gets batches of its own.
            workers: processes that prepare batches; 0 prepares them here, one ahead in a thread.
            pinned: whether they lie in memory from which a graphics card reads by itself.
        """
        loader: DataLoader[Any] = DataLoader(
            self.train.among(workers),
            batch_sampler=Rounds(len(self.train), batch_size, seed=seed, start=start, share=share),
            collate_fn=self.train.collate,
            num_workers=workers,
            pin_memory=pinned,
            persistent_workers=workers > 0,
            # Or the loader would draw from torch's own chance, which dropout goes on with.
            generator=torch.Generator().manual_seed(seed),
        )
        return iter(loader) if workers else ahead(iter(loader))


@dataclass(frozen=True)
class DataBlock:
    """How to get from a source to datasets.

    Args:
        blocks: of what is seen, in order, and last of what is to be learned; any block will do on
            either side.
        get_items: from the source to cases; see :func:`medlib.data.pair`.
        splitter: from cases to (train, valid).
        preprocess: done once to every case, also to those predicted later.
        augment: done anew each time to those trained on.

    Example:
        >>> from medlib.data import MaskBlock, VolumeBlock, pair
        >>> from medlib.transforms import Normalise, RandomPatch
        >>> from medlib.types import Labels, MRVolume
        >>> block = DataBlock(
        ...     blocks=(VolumeBlock(MRVolume), MaskBlock(Labels.of(["liver"]))),
        ...     get_items=lambda folder: pair(folder / "images", folder / "labels").cases,
        ...     splitter=by_patient(0.2),
        ...     preprocess=Pipeline((Normalise(),)),
        ...     augment=Pipeline((RandomPatch((32, 64, 64)),)),
        ... )
    """

    blocks: Blocks
    get_items: Callable[[Any], Sequence[Case]]
    splitter: Splitter = field(default_factory=by_patient)
    preprocess: Pipeline = field(default_factory=Pipeline)
    augment: Pipeline = field(default_factory=Pipeline)

    def datasets(
        self, source: Any, *, seed: int = 0, store: Store | None = None, broken: float | None = None
    ) -> Datasets:
        """Find the cases of ``source`` and split them.

        Args:
            source: what ``get_items`` takes.
            seed: of the augmentation.
            store: where preprocessed items are kept on disk; left out, they are kept in memory.
            broken: share of the cases that may be set aside because they cannot be used, or one;
                all are read once to see, and one picture by two names on both sides is refused.
                Left out, none is looked at before it is needed, the first that is broken is an
                error, and pictures are not compared (:func:`medlib.data.contents`).

        Raises:
            ValueError: when there are none, they cannot be split as asked, or training would see
                something of a case that was kept back; or when more are broken.
        """
        train, valid = self.split(self.get_items(source))
        set_aside: Reasons = ()
        if broken is not None:
            found = usable(train, valid, self.blocks, broken=broken)
            train, valid, set_aside = found.train, found.valid, found.set_aside
            check_pictures(train, valid, found.glances, store=store)
        blocks = self.scaled(train)

        def dataset(cases: Sequence[Case]) -> Dataset:
            return Dataset(
                cases,
                blocks,
                preprocess=self.preprocess,
                augment=self.augment,
                seed=seed,
                store=store,
            )

        return Datasets(dataset(train), dataset(valid), set_aside)

    def split(self, cases: Sequence[Case]) -> Split:
        """The cases to learn from and those kept back, to be read on the grid of what is seen first.

        A model reads what it is given on the grid of its first input too, whichever series a
        source names first.

        Raises:
            ValueError: when training would see something of a case that was kept back.
        """
        train, valid = self.splitter(cases)
        check_split(train, valid)
        leads = next((b.leads for b in self.blocks[:-1] if b.leads is not None), "")
        return [replace(c, grid_of=leads) for c in train], [
            replace(c, grid_of=leads) for c in valid
        ]

    def scaled(self, train: Sequence[Case]) -> Blocks:
        """The blocks, for numbers as the cases to be learned from have them."""
        *seen, asked = self.blocks
        return (*(block.seen_in(train) for block in seen), asked.scaled_to(train))

    def summary(self, source: Any, *, seed: int = 0) -> Summary:
        """What becomes of the first training case of ``source``, step by step; print it.

        Where a step fails, the summary ends with it, and says why. It names the case and says
        nothing else of the patient.
        """
        return summarised(self, source, seed=seed)
