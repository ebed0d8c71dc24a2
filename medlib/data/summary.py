"""One item walked through every step of a data block, to see what becomes of it and where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from textwrap import indent
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from medlib.data.cases import Case, few
from medlib.data.dataset import Blocks, Dataset, collate
from medlib.transforms import Chance, Item, Pipeline, Scene, Transform
from medlib.types import describe

if TYPE_CHECKING:
    from medlib.data.block import DataBlock

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """One step that an item went through.

    Args:
        name: of the step.
        said: what there was after it.
        error: why it failed; empty where it did not.
    """

    name: str
    said: str = ""
    error: str = ""

    def __str__(self) -> str:
        text = f"FAILED: {self.error}" if self.error else self.said
        return f"{self.name}\n{indent(text, '    ')}"


@dataclass(frozen=True)
class Summary:
    """What became of one item, step by step; print it.

    Args:
        stages: in order; the last one failed, if any did.

    Example:
        >>> print(Summary((Stage("find cases", "2: a, b"), Stage("split", error="only one patient"))))
        find cases
            2: a, b
        split
            FAILED: only one patient
    """

    stages: tuple[Stage, ...]

    @property
    def failed(self) -> Stage | None:
        """The step that failed."""
        return next((stage for stage in self.stages if stage.error), None)

    def __str__(self) -> str:
        return "\n".join(map(str, self.stages))


def summarised(block: DataBlock, source: Any, *, seed: int = 0) -> Summary:
    """The first training case of ``source``, walked through every step of ``block``."""
    walk = _Walk()
    with suppress(_StoppedError):
        _walked(walk, block, source, seed)
    return Summary(tuple(walk.stages))


def _walked(walk: _Walk, block: DataBlock, source: Any, seed: int) -> None:
    cases = walk("find cases", lambda: list(block.get_items(source)), _found)
    train, _ = walk("split", lambda: block.split(cases), _sides)
    *seen, asked = walk("look at the numbers of all", lambda: block.scaled(train), _sought)
    case = train[0]
    for side, part in [*(("seen", part) for part in seen), ("learned", asked)]:
        name = f"read what is {side}: {type(part).__name__} of {case.name}"
        walk(name, partial(part.read, case, on=case.leading.grid), describe)
    blocks = (*seen, asked)
    data = Dataset([case], blocks, preprocess=block.preprocess, augment=block.augment, seed=seed)
    item = walk("put together", partial(data.raw, 0), _held)
    for what, pipeline in (("preprocess", block.preprocess), ("augment", block.augment)):
        items = _each(pipeline, item, seed)
        for transform in pipeline.transforms:
            item = walk(f"{what}: {type(transform).__name__}", partial(next, items), _held)
    batch = walk("batch of two", partial(collate, [item, item], blocks), lambda b: _tensor(b.x))
    walk("truth in plain numbers", partial(asked.tensor, batch.targets[0]), _tensor)


class _StoppedError(Exception):
    """A step failed, and was noted."""


class _Walk:
    """Takes steps, and notes what came of each."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def __call__(self, name: str, do: Callable[[], T], say: Callable[[T], str]) -> T:
        try:
            done = do()
            self.stages.append(Stage(name, say(done)))
        except Exception as error:  # whatever it is, it is what was asked for
            self.stages.append(Stage(name, error=f"{type(error).__name__}: {error}"))
            raise _StoppedError from error
        return done


def _each(pipeline: Pipeline, item: Item, seed: int) -> Iterator[Item]:
    """The item after each transform, as the whole pipeline makes it."""
    scene = Scene(item)
    for place, transform in enumerate(pipeline.transforms):
        _take(transform, scene, Chance(seed=seed, epoch=0, name=item.name, place=place))
        yield scene.item()


def _take(transform: Transform, scene: Scene, chance: Chance) -> None:
    for step in transform.steps(scene, chance):
        scene.add(step)


def _found(cases: Sequence[Case]) -> str:
    if not cases:
        raise ValueError("there are none; see that get_items looks in the right place")
    return f"{len(cases)}: {few([case.name for case in cases])}"


def _sides(sides: tuple[Sequence[Case], Sequence[Case]]) -> str:
    train, valid = sides
    return f"{len(train)} to learn from, {len(valid)} kept back"


def _sought(blocks: Blocks) -> str:
    inputs = [f"{one.name}, {one.channels} channels" for one in (b.input for b in blocks[:-1])]
    return f"shown: {'; '.join(inputs)}\nasked: {blocks[-1].output!r}"


def _held(item: Item) -> str:
    return "\n".join(describe(value) for value in item.values)


def _tensor(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    low, high = (f"{float(end):.4g}" for end in (tensor.min(), tensor.max()))
    return f"{tuple(tensor.shape)}, {kind}, {low} to {high}"
