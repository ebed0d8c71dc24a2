"""What a network is shown: the other side of its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medlib.space import Grid
from medlib.transforms.spec import Spec
from medlib.types import Kind


@dataclass(frozen=True)
class Input(Spec, ABC):
    """One of the things that a network is shown, as plain values: the other side of an output.

    What has a grid comes as it is; what has none (landmarks, answers) is drawn on the grid of what
    has, so that all of it is channels side by side.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called where several things are shown."""

    @property
    @abstractmethod
    def kind(self) -> type[Kind]:
        """What it takes."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many channels it becomes."""

    @abstractmethod
    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """What the network sees of it: (channel, slice, row, column), float32.

        Raises:
            ValueError: when the value lacks something that the network was trained with.
        """

    def empty(self, value: Kind) -> tuple[float, ...]:
        """Of each channel the number that stands for empty space, beyond the scan."""
        return (0.0,) * self.channels

    def check(self, value: Kind) -> None:
        """Refuse what is of another kind.

        Raises:
            ValueError: saying what is wanted.
        """
        if not isinstance(value, self.kind):
            raise ValueError(
                f"this model was trained on {self.kind.__name__}, and the {self.name} is a "
                f"{type(value).__name__}; read it as one, if that is what it is"
            )


def shown(inputs: Sequence[Input], values: Sequence[Kind], grid: Grid) -> Tensor:
    """All that a network sees of one item: (channel, slice, row, column), float32.

    Args:
        inputs: what is shown, in order.
        values: one for each.
        grid: that the gridded among them lie on.
    """
    parts = [one.tensor(value, grid) for one, value in zip(inputs, values, strict=True)]
    device = next((p.device for p in parts if p.device.type != "cpu"), torch.device("cpu"))
    return torch.cat([part.to(device) for part in parts])


def require(what: str, wanted: Sequence[str], found: Sequence[str], name: str) -> None:
    """Refuse what lacks a name.

    Raises:
        ValueError: saying which.
    """
    if missing := [one for one in wanted if one not in found]:
        raise ValueError(
            f"the {name}: there is no {what} called {', '.join(missing)}; there are: "
            f"{', '.join(found) or 'none'}"
        )
