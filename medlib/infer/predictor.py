"""The predictor: all that is needed to go from a scan to what a network finds in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TypeVar

import torch
from torch import Tensor, nn

from medlib.infer.decoding import Shares, decode_mask
from medlib.infer.inputs import Input, shown
from medlib.infer.looks import Looks, averaged
from medlib.infer.means import AVERAGED, mean_of
from medlib.infer.outputs import MaskOutput, Output
from medlib.infer.window import Shape, sliding_window
from medlib.models import call
from medlib.space import Grid
from medlib.transforms import Item, Pipeline
from medlib.types import Kind

T = TypeVar("T")


@dataclass(frozen=True)
class Predictor:
    """A network with what was done to the scans that it was trained on.

    Args:
        network: from (1, channel, …) to as many numbers, or maps of them, as ``output`` asks for.
        preprocess: what is done to an item before the network sees it.
        inputs: what the network is shown, in order; the first names the grid of the others.
        output: what the network's numbers stand for.
        window: size that the network sees at a time.
        overlap: of neighbouring windows.
        looks: how often to look at a scan; see :class:`medlib.infer.Looks`.
        autocast: dtype of the network's arithmetic, or None for float32.

    Raises:
        ValueError: when nothing is shown, two inputs have one name, or what is asked is to
            be looked for more than once and has no mean.
    """

    network: nn.Module
    preprocess: Pipeline
    inputs: tuple[Input, ...]
    output: Output
    window: Shape
    overlap: float = 0.5
    looks: Looks = field(default_factory=Looks)
    autocast: torch.dtype | None = None

    def __post_init__(self) -> None:
        names = [one.name for one in self.inputs]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"what a network is shown needs a name each: {', '.join(names) or 'nothing is'}"
            )
        if self.looks.count > 1 and not isinstance(self.output, AVERAGED):
            raise ValueError(
                f"the answers of several looks have no mean for {type(self.output).__name__}; "
                "look once"
            )

    @property
    def channels(self) -> int:
        """How many channels the network is shown."""
        return sum(one.channels for one in self.inputs)

    def predict(self, *values: Kind, **named: Kind) -> Kind:
        """What the network finds: a mask, landmarks or boxes where they are in the scan.

        Args:
            values: what the network is shown, in the order of its inputs; on one grid.
            named: the rest of it, by name.

        Raises:
            ValueError: when something is missing, is not of the kind that the network was trained
                on, lies on another grid, or is no number; or when the network gives none.
        """
        item = self.item(*values, **named)
        return self.decode(self.preprocess(item), item.grid)

    def item(self, *values: Kind, **named: Kind) -> Item:
        """What was given as an item to be preprocessed, if the network can be shown it.

        Raises:
            ValueError: as :meth:`predict` does.
        """
        seen = self.arranged(*values, **named)
        for one, value in zip(self.inputs, seen, strict=True):
            one.check(value)
        return Item(seen)

    def arranged(self, *values: T, **named: T) -> tuple[T, ...]:
        """What was given, in the order of the inputs.

        Raises:
            ValueError: when something is missing, or there is too much.
        """
        names = [one.name for one in self.inputs]
        given = dict(zip(names, values, strict=False)) | named
        if len(given) < len(values) + len(named) or set(given) != set(names):
            said = [*names[: len(values)], *["?"] * (len(values) - len(names)), *named]
            raise ValueError(
                f"this model is shown {', '.join(names)}, each once, and is given "
                f"{', '.join(said) or 'nothing'}"
            )
        return tuple(given[name] for name in names)

    def decode(self, item: Item, native: Grid) -> Kind:
        """What the network finds in a preprocessed item, on its scan's own grid.

        Raises:
            ValueError: when the network gives something else than its output asks for; or must see
                the whole scan at once, and that is larger than any it has learned from.
        """
        if isinstance(self.output, MaskOutput):
            shares = Shares(self.probabilities(item), item.trail)
            return decode_mask((shares,), self.output.labels, native)
        looks = ((self._answer(look), look) for look in self.looks.at(item))
        found = mean_of([look.trail.whereabouts.decode(value) for value, look in looks])
        return item.trail.whereabouts.decode(found)

    def _answer(self, item: Item) -> Kind:
        """What one look at a preprocessed item finds, on the item's grid."""
        raw = (self._at_once(item) if self.output.whole else self.logits(item)[None]).detach()
        answer = self.output.answer(checked(raw, self.output), [item.grid])
        return self.output.wrap(answer[0], item.grid)

    def logits(self, item: Item) -> Tensor:
        """(channel, slice, row, column) of a preprocessed item, on its grid, window by window."""
        x = shown(self.inputs, item.values, item.grid)
        pairs = zip(self.inputs, item.values, strict=True)
        empty = [number for one, value in pairs for number in one.empty(value)]
        with self._calm() as device:
            raw = sliding_window(
                partial(call, self.network),
                x.to(device),
                self.window,
                overlap=self.overlap,
                fill=empty,
            )
        return _numbers(raw)

    def probabilities(self, item: Item) -> Tensor:
        """How sure the network is of background and each structure, after all looks.

        Returns:
            (1 + labels, slice, row, column) on the grid of the item, in main memory.
        """
        looks = self.looks.at(item)
        return averaged((torch.softmax(self.logits(look).float(), 0).cpu(), look) for look in looks)

    def _at_once(self, item: Item) -> Tensor:
        """(1, channel, …) of a preprocessed item, seen whole."""
        self._check_size(item.grid)
        x = shown(self.inputs, item.values, item.grid)
        with self._calm() as device:
            raw = call(self.network, x[None].to(device)).float()
        return _numbers(raw)

    def _check_size(self, grid: Grid) -> None:
        """Refuse what is larger than the window: cut to it, what was asked for may be lost."""
        if any(n > w for n, w in zip(grid.shape, self.window, strict=True)):
            size, seen = (
                " × ".join(f"{n * s:.0f}" for n, s in zip(shape, grid.spacing, strict=True))
                for shape in (grid.shape, self.window)
            )
            raise ValueError(
                f"the scan is {size} mm large (slice × row × column), and this model answers for "
                f"scans of up to {seen} mm, as it learned from; crop it to the part in question"
            )

    @contextmanager
    def _calm(self) -> Iterator[torch.device]:
        """The network in evaluation mode, without gradients; afterwards it is as it was."""
        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode(), torch.autocast(
                device.type, dtype=self.autocast, enabled=self.autocast is not None
            ):  # fmt: skip
                yield device
        finally:
            self.network.train(training)


def _numbers(raw: Tensor) -> Tensor:
    """What a network gives, if these are numbers: else nothing would be found, and nobody told.

    Minus infinity is one: no chance at all.
    """
    if raw.numel() and not float(raw.detach().max()) < inf:
        raise ValueError(
            "what the network gives for this scan is no number: a training has ruined its weights, or "
            "its arithmetic is too narrow for them; train it anew, with precision fp32"
        )
    return raw


def checked(raw: Tensor, output: Output) -> Tensor:
    """A network's numbers, if there are as many as the output asks for.

    Raises:
        ValueError: saying what the network gave, and what it should.
    """
    axes = 5 if output.voxelwise else 2
    if raw.ndim != axes or raw.shape[1] != output.channels:
        shape = "(item, channel, slice, row, column)" if output.voxelwise else "(item, channel)"
        raise ValueError(
            f"for {type(output).__name__} a network has to give {shape} with {output.channels} "
            f"channels, and this one gives {tuple(raw.shape)}"
        )
    return raw
