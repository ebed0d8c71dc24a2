"""The block: a part of every case, which a network can be shown or asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from torch import Tensor

from medlib.data.cases import Case
from medlib.infer import Input, Output
from medlib.space import Grid
from medlib.types import Kind


class Block(ABC):
    """A part of every case: how it is read, and both of its sides, seen and asked.

    Any block will do on either side: a mask is learned from scans, or seen, to say what its shape
    means; a measurement is learned, or, as an age, taken into account.
    """

    @property
    @abstractmethod
    def input(self) -> Input:
        """Its side as something seen: the channels that it becomes."""

    @property
    @abstractmethod
    def output(self) -> Output:
        """Its side as something learned: what is asked of a network."""

    @property
    def leads(self) -> str | None:
        """The series on whose grid all else lies where this is seen first; None for what is no scan."""
        return None

    @abstractmethod
    def read(self, case: Case, *, on: Grid) -> Kind:
        """The part of a case.

        Args:
            case: to read from.
            on: the grid of the case's leading stack, which all that is gridded has to lie on.

        Raises:
            ValueError: naming the case or file, when it is not known or does not fit.
        """

    @abstractmethod
    def tensor(self, value: Kind) -> Tensor:
        """The truth in plain numbers, for losses that know no kinds."""

    def scaled_to(self, cases: Sequence[Case]) -> Self:
        """The same block, to be learned from these cases: scaled as their numbers are, if it is."""
        return self

    def seen_in(self, cases: Sequence[Case]) -> Self:
        """The same block, to be seen in these cases: scaled as their numbers are, if it is."""
        return self
