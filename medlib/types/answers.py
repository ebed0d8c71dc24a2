"""The kinds that are answers, not places: categories and measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from types import MappingProxyType

import torch
from torch import Tensor

from medlib.types.gridded import Kind


class Answer(Kind):
    """What can be said of a patient without saying where: no transform of space concerns it."""

    __slots__ = ()


@dataclass(frozen=True)
class Category(Answer):
    """One answer out of a fixed vocabulary.

    Example:
        >>> Category("benign", ("benign", "malignant")).index
        0
    """

    name: str
    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        _answerable((self.name,), self.vocabulary)

    @property
    def index(self) -> int:
        """Its place in the vocabulary."""
        return self.vocabulary.index(self.name)


@dataclass(frozen=True)
class Categories(Answer):
    """Several answers out of a fixed vocabulary: for each word of it, yes or no, or nobody knows.

    Args:
        names: those that are answered yes, perhaps none. Kept in the vocabulary's order, so that
            equal answers are equal values.
        vocabulary: all that could be.
        unknown: those of which nobody knows; likewise.

    Raises:
        ValueError: for a name that is not in the vocabulary or is given twice, and for a
            vocabulary that says a word twice.

    Example:
        >>> seen = Categories(("effusion",), ("effusion", "nodule"))
        >>> seen.vector
        tensor([ True, False])
        >>> Categories(("effusion",), ("effusion", "nodule"), unknown=("nodule",)).answered
        (True, None)
    """

    names: tuple[str, ...]
    vocabulary: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for words in (self.names, self.unknown):
            _answerable(words, self.vocabulary)
        if len({*self.names, *self.unknown}) != len(self.names) + len(self.unknown):
            raise ValueError(f"an answer is given twice: {', '.join((*self.names, *self.unknown))}")
        for part in ("names", "unknown"):
            said = getattr(self, part)
            object.__setattr__(self, part, tuple(w for w in self.vocabulary if w in said))

    @property
    def answered(self) -> tuple[bool | None, ...]:
        """Yes or no for each word of the vocabulary; None where nobody knows."""
        return tuple(None if w in self.unknown else w in self.names for w in self.vocabulary)

    @property
    def vector(self) -> Tensor:
        """(n,) bool: yes or no for each word of the vocabulary.

        Raises:
            ValueError: where nobody knows of one: that is not no.
        """
        if self.unknown:
            raise ValueError(
                f"of {', '.join(self.unknown)} nobody knows, which is neither yes nor no; see "
                "Categories.answered"
            )
        return torch.tensor(self.answered, dtype=torch.bool)


def _answerable(names: Sequence[str], vocabulary: Sequence[str]) -> None:
    for words in (names, vocabulary):
        if isinstance(words, str):  # it would be an answer a letter
            raise TypeError(f"answers take several words: ({words!r},), not {words!r}")
    if len(set(vocabulary)) != len(vocabulary):
        raise ValueError(f"a vocabulary says a word twice: {', '.join(vocabulary)}")
    for name in names:
        if name not in vocabulary:
            raise ValueError(f"{name!r} is not one of {', '.join(vocabulary)}")


# What a unit measures, and how many of the first of its kind it is.
_UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {"mm": ("length", 1.0), "cm": ("length", 10.0), "m": ("length", 1000.0)}
    | {"mm2": ("area", 1.0), "cm2": ("area", 100.0)}
    | {"mm3": ("volume", 1.0), "cm3": ("volume", 1e3), "ml": ("volume", 1e3), "l": ("volume", 1e6)}
)


@dataclass(frozen=True)
class Belief(Answer):
    """How sure a model is of each answer: to categories what probabilities are to masks.

    Args:
        shares: one for each word of the vocabulary, 0 to 1.
        vocabulary: all that could be answered.
        exclusive: whether exactly one word is true (shares then sum to 1), or each may be.

    Raises:
        ValueError: for another number of shares than words, a share that is no probability, and
            exclusive shares that do not sum to 1.

    Example:
        >>> Belief((0.2, 0.8), ("benign", "malignant")).category.name
        'malignant'
    """

    shares: tuple[float, ...]
    vocabulary: tuple[str, ...]
    exclusive: bool = True

    def __post_init__(self) -> None:
        _answerable((), self.vocabulary)
        if len(self.shares) != len(self.vocabulary):
            raise ValueError(
                f"{len(self.vocabulary)} answers cannot have {len(self.shares)} probabilities"
            )
        if not all(0 <= share <= 1 for share in self.shares):
            raise ValueError(f"probabilities lie between 0 and 1, and these do not: {self.shares}")
        if self.exclusive and abs(sum(self.shares) - 1) > 1e-3:
            raise ValueError(
                f"of answers that exclude one another the probabilities sum to 1, not "
                f"{sum(self.shares):.4g}"
            )

    @property
    def category(self) -> Category:
        """The answer that is most likely; the first of several that are."""
        return Category(self.vocabulary[self.shares.index(max(self.shares))], self.vocabulary)

    def categories(self, threshold: float = 0.5) -> Categories:
        """The answers that are at least as likely as ``threshold``."""
        likely = zip(self.vocabulary, self.shares, strict=True)
        return Categories(tuple(n for n, share in likely if share >= threshold), self.vocabulary)


@dataclass(frozen=True)
class Measurement(Answer):
    """A number with its unit.

    Args:
        value: finite. What could not be measured is left out, not written as a number.
        unit: a UCUM code, as DICOM uses them: ``"mm"``, ``"ml"``, ``"deg"``, ``"[hnsf'U]"``
            (Hounsfield units), ``"{SUVbw}g/ml"``, or ``"1"`` for a plain number.
        name: what was measured, such as ``"liver volume"``.

    Raises:
        ValueError: for a value that is not finite, or an empty unit.

    Example:
        >>> Measurement(1500, "ml", "liver volume").to("l")
        Measurement(value=1.5, unit='l', name='liver volume')
        >>> print(Measurement(12.34567, "mm", "long axis"))
        long axis 12.3 mm
    """

    value: float
    unit: str
    name: str = ""

    def __post_init__(self) -> None:
        value = float(self.value)
        if not isfinite(value):
            raise ValueError(
                f"the measurement {self.name or 'without a name'} is {value}; leave out what could "
                "not be measured"
            )
        if not self.unit.strip():
            raise ValueError(f"the measurement {self.name or value} needs a unit; '1' for none")
        object.__setattr__(self, "value", value)

    def to(self, unit: str) -> Measurement:
        """The same length, area or volume in another unit.

        Args:
            unit: ``mm``, ``cm``, ``m``; ``mm2``, ``cm2``; ``mm3``, ``cm3``, ``ml``, ``l``.

        Raises:
            ValueError: when the one cannot be turned into the other.
        """
        ours, theirs = _UNITS.get(self.unit), _UNITS.get(unit)
        if unit == self.unit:
            return self
        if ours is None or theirs is None or ours[0] != theirs[0]:
            alike = [u for u, (what, _) in _UNITS.items() if ours and what == ours[0]]
            raise ValueError(
                f"{self.unit!r} cannot be turned into {unit!r}; it can be turned into: "
                f"{', '.join(alike) or 'nothing else'}"
            )
        return replace(self, value=self.value * ours[1] / theirs[1], unit=unit)

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, f"{self.value:.3g}", self.unit) if part)
