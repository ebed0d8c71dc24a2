"""The plan of a training: how scans are prepared, what network sees them, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medlib.io.files import written_whole
from medlib.models import Architecture
from medlib.transforms import RECIPES, Pipeline, Transform
from medlib.types import SCAN_KINDS, Volume

_VERSION = 1
_PARTS = {
    *("kind", "preprocess", "augment", "window", "batch_size", "rate", "architecture", "reasons")
}


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Args:
        kind: of scan that it is for.
        preprocess: to every scan, also those predicted later.
        augment: to those trained on, anew each time.
        window: what the network sees at a time: a patch, or a whole scan.
        batch_size: of these a step.
        rate: peak learning rate.
        architecture: of the network.
        reasons: why, in words.

    Raises:
        ValueError: for a window that the network cannot see, and numbers below what makes sense.
    """

    kind: type[Volume]
    preprocess: Pipeline
    augment: Pipeline
    window: tuple[int, int, int]
    batch_size: int
    rate: float
    architecture: Architecture
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.window) < 1:
            raise ValueError(f"a window is three sizes of at least 1 voxel, not {self.window}")
        if any(n % d for n, d in zip(self.window, self.architecture.divisor, strict=True)):
            raise ValueError(
                f"a {self.architecture.name} of these levels sees windows whose sizes are "
                f"multiples of {self.architecture.divisor} voxels, not {self.window}"
            )
        if self.batch_size < 1 or self.rate <= 0:
            raise ValueError("a plan needs a batch size of at least 1, and a rate above 0")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_dict` reads back to an equal plan."""
        return {
            "medlib_plan": _VERSION,
            "reasons": list(self.reasons),
            "kind": next(name for name, kind in SCAN_KINDS.items() if kind is self.kind),
            "preprocess": self.preprocess.to_list(),
            "augment": self.augment.to_list(),
            "window": list(self.window),
            "batch_size": self.batch_size,
            "rate": self.rate,
            "architecture": {
                "name": self.architecture.name,
                "arguments": dict(self.architecture.arguments),
            },
        }

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], *, allowed: Sequence[type[Transform]] = RECIPES
    ) -> Plan:
        """The plan that :meth:`to_dict` wrote, perhaps edited since.

        Networks and recipes are looked up by name; nothing else in it can be made to run.

        Args:
            values: what was written.
            allowed: the recipes that it may ask for.

        Raises:
            ValueError: for another version, for parts that are missing, unknown or of another
                form, and for what :class:`Plan` refuses.
        """
        if values.get("medlib_plan") != _VERSION:
            raise ValueError(
                f"this is no plan of version {_VERSION} (medlib_plan is "
                f"{values.get('medlib_plan')!r}); make it anew with `medlib plan`"
            )
        given = {key: value for key, value in values.items() if key != "medlib_plan"}
        if set(given) != _PARTS:
            wrong = sorted(_PARTS.symmetric_difference(given))
            raise ValueError(f"a plan has {', '.join(sorted(_PARTS))}; see to {', '.join(wrong)}")
        if given["kind"] not in SCAN_KINDS:
            raise ValueError(
                f"{given['kind']!r} is no kind of scan; there are: {', '.join(SCAN_KINDS)}"
            )
        try:
            network = given["architecture"]
            a, b, c = (_whole_number(n) for n in given["window"])
            return cls(
                kind=SCAN_KINDS[given["kind"]],
                preprocess=Pipeline.from_list(given["preprocess"], allowed=allowed),
                augment=Pipeline.from_list(given["augment"], allowed=allowed),
                window=(a, b, c),
                batch_size=_whole_number(given["batch_size"]),
                rate=float(given["rate"]),
                architecture=Architecture(network["name"], dict(network["arguments"])),
                reasons=tuple(str(reason) for reason in given["reasons"]),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"a part of this plan has another form than it should: {error}"
            ) from error

    def save(self, path: str | Path) -> Path:
        """Write the plan as JSON, to be read, edited, and given to a training."""
        with written_whole(Path(path)) as partial:
            partial.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan that was saved.

        Raises:
            FileNotFoundError: when there is nothing at ``path``.
            ValueError: when it is no plan; see :meth:`from_dict`.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(values, dict):
                raise ValueError("it holds no plan")
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{Path(path).name}: {error}") from error


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value
