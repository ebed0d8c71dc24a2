"""All that decides what a pretraining learns, in one file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

Triple = tuple[int, int, int]
_OWN = ("small", "v1")


@dataclass(frozen=True)
class Form:
    """A size that volumes come in, and how the network halves it.

    Args:
        size: voxels along (slice, row, column).
        spacing: of voxels, the finest of them 1.
        strides: from level to level of the network; left out, 2 along every axis as often as the
            network has levels.
        weight: how often the form is drawn, compared with the others.
    """

    size: Triple
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    strides: tuple[Triple, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True)
class Configuration:
    """What is learned, from what, and how.

    The values here make a network of the shape that the library's plans choose.

    Args:
        name: of the weights.
        seed: of everything: what is drawn, and the network's first weights.
        forms: of the volumes.
        batch: volumes a step, each of which is seen in two appearances.
        structures: the fewest and the most in a volume.
        reach: the greatest distance from a border that is told apart, in finest voxels.
        channels: of each of the network's levels, from the finest.
        embedding: numbers by which a voxel is compared with others.
        points: voxels of each appearance that are compared.
        temperature: of the comparison.
        family: weight of the loss of families.
        distance: weight of that of distances.
        contrast: weight of that of the comparison.
        rate: learning rate, constant after the first steps.
        warm_up: steps over which it rises.
        decay: weight decay.
        clip: largest norm of the gradient.
        average: share of the steps so far that the weights are averaged over.
        precision: ``"bf16"`` or ``"fp32"``.
        compile: whether the network is compiled first.

    Raises:
        ValueError: for a network that cannot halve the volumes, or would be trained wrongly.

    Example:
        >>> Configuration().forms[0].strides
        ((2, 2, 2), (2, 2, 2), (2, 2, 2))
    """

    name: str = "medlib-synthetic"
    seed: int = 0
    forms: tuple[Form, ...] = (Form((64, 64, 64)),)
    batch: int = 2
    structures: tuple[int, int] = (15, 40)
    reach: float = 6.0
    channels: tuple[int, ...] = (16, 32, 96, 256)
    embedding: int = 32
    points: int = 512
    temperature: float = 0.1
    family: float = 1.0
    distance: float = 1.0
    contrast: float = 0.5
    rate: float = 2e-3
    warm_up: int = 100
    decay: float = 1e-2
    clip: float = 12.0
    average: float = 0.1
    precision: str = "bf16"
    compile: bool = False

    def __post_init__(self) -> None:
        levels = len(self.channels) - 1
        whole = tuple(
            form
            if form.strides
            else Form(form.size, form.spacing, ((2, 2, 2),) * levels, form.weight)
            for form in self.forms
        )
        object.__setattr__(self, "forms", whole)
        if self.precision not in {"bf16", "fp32"}:
            raise ValueError(f"a precision is bf16 or fp32, not {self.precision!r}")
        for form in whole:
            if len(form.strides) != levels:
                raise ValueError(
                    f"{levels + 1} levels have one stride fewer, not {len(form.strides)}"
                )
            divisor = [prod(along) for along in zip(*form.strides, strict=True)]
            if any(n % d for n, d in zip(form.size, divisor, strict=True)):
                raise ValueError(f"volumes of {form.size} voxels cannot be halved to {divisor}")
            least = min(n // d for n, d in zip(form.size, divisor, strict=True))
            # See medlib.train.precision: processors get gradients of two slices wrong in bf16.
            if self.precision == "bf16" and least < 3:
                raise ValueError(
                    f"volumes of {form.size} voxels are {least} wide at the coarsest level; in bf16 "
                    "that takes 3 at least: make them larger, or train in fp32"
                )

    @classmethod
    def load(cls, path: str | Path) -> Configuration:
        """Read a TOML file; what it does not say is as it is here.

        Args:
            path: of the file; or the name of one that comes with the library, ``small`` or ``v1``.

        Raises:
            FileNotFoundError: when there is none.
            ValueError: for what no configuration has, or cannot have.

        Example:
            >>> Configuration.load("v1").name
            'medlib-synthetic-v1'
        """
        file = Path(path) if str(path) not in _OWN else Path(__file__).with_name(f"{path}.toml")
        try:
            return cls.from_dict(tomllib.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file.name}: {error}") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Configuration:
        """The configuration of plain values.

        Raises:
            TypeError: for what no configuration has.
            ValueError: for what it cannot have.
        """
        given = {name: _tuples(value) for name, value in values.items() if name != "forms"}
        if "forms" in values:
            forms = [{n: _tuples(v) for n, v in form.items()} for form in values["forms"]]
            given["forms"] = tuple(Form(**form) for form in forms)
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_dict` reads back to an equal configuration."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @property
    def digest(self) -> str:
        """Of all that decides what is learned: 16 hexadecimal digits."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
