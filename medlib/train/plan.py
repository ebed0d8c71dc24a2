"""The plan of a training: how scans are prepared, what network sees them, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from medlib.infer import Looks
from medlib.io.files import written_whole
from medlib.models import Architecture, shipped
from medlib.train.callbacks import EMA, Callback, Constant, Cosine, OneCycle, Schedule
from medlib.train.fingerprint import ScanKind
from medlib.transforms import RECIPES, Pipeline, RandomAffine, Transform
from medlib.types import SCAN_KINDS, Volume

SCHEDULES: Mapping[str, type[OneCycle] | type[Cosine] | type[Constant]] = {
    "one cycle": OneCycle,
    "cosine": Cosine,
    "constant": Constant,
}
_VERSION = 5
_MOST_TURNED, _MOST_STRETCHED = 15.0, 0.1  # of a look; see docs/benchmarks.md
_PARTS = {
    *("kind", "preprocess", "augment", "window", "overlap", "batch_size", "rate", "schedule"),
    *("average", "smoothing", "looks", "minutes", "workers", "architecture", "begin"),
    "spread",
    "reasons",
}


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Args:
        kind: of scan that it is for; of several series the name and the kind of each.
        preprocess: to every scan, also those predicted later.
        augment: to those trained on, anew each time; how strongly, its numbers say.
        window: what the network sees at a time: a patch, or a whole scan.
        batch_size: of these a step.
        rate: peak learning rate.
        architecture: of the network.
        schedule: of the rate: a name from :data:`SCHEDULES`, and its arguments.
        average: share of the steps done so far, over which weights are averaged; see
            :class:`medlib.train.EMA`. 0: they are not.
        smoothing: of labels; see :func:`medlib.train.loss`.
        overlap: of neighbouring windows in prediction.
        looks: how often prediction looks at a scan; see :class:`medlib.infer.Looks`. The others
            are turned and stretched as ``augment`` does, but mildly.
        minutes: that the training is planned for, and takes unless told otherwise.
        workers: processes that prepare batches.
        begin: name of the weights that the network begins with, of those that come with the library
            (:func:`medlib.models.shipped`); empty: with random ones.
        spread: how many times slower the first layers learn than the head, where the network begins
            with other weights; 1: all alike.
        reasons: why, in words.

    Raises:
        ValueError: for a window that the network cannot see, a schedule or weights that there are
            not, and numbers beyond what makes sense.
    """

    kind: ScanKind
    preprocess: Pipeline
    augment: Pipeline
    window: tuple[int, int, int]
    batch_size: int
    rate: float
    architecture: Architecture
    schedule: Mapping[str, Any] = field(default_factory=lambda: {"name": "one cycle"})
    average: float = 0.0
    smoothing: float = 0.0
    overlap: float = 0.5
    looks: int = 1
    minutes: float = 20.0
    workers: int = 0
    begin: str = ""
    spread: float = 10.0
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.window) < 1:
            raise ValueError(f"a window is three sizes of at least 1 voxel, not {self.window}")
        if any(n % d for n, d in zip(self.window, self.architecture.divisor, strict=True)):
            raise ValueError(
                f"a {self.architecture.name} of these levels sees windows whose sizes are "
                f"multiples of {self.architecture.divisor} voxels, not {self.window}"
            )
        if self.batch_size < 1 or self.rate <= 0 or self.minutes <= 0 or self.workers < 0:
            raise ValueError(
                "a plan needs a batch size of at least 1, a rate and minutes above 0, and no fewer "
                "than 0 workers"
            )
        if not all(0 <= share < 1 for share in (self.overlap, self.smoothing, self.average)):
            raise ValueError(
                "windows overlap, labels are smoothed and weights averaged by a share from 0 to "
                f"below 1, not {self.overlap:g}, {self.smoothing:g} and {self.average:g}"
            )
        if not self.spread >= 1:
            raise ValueError(f"first layers learn 1 time slower or more, not {self.spread:g}")
        if self.begin and self.begin not in shipped():
            raise ValueError(
                f"no weights {self.begin!r} come with the library; there are: {', '.join(shipped())}"
            )
        self.cycle()
        self.looking()

    def looking(self) -> Looks:
        """How prediction looks at a scan: turned and stretched as in training, but mildly.

        Raises:
            ValueError: for no look, or several where ``augment`` has nothing to vary them by.
        """
        turned = [t for t in self.augment.transforms if isinstance(t, RandomAffine)]
        return Looks(self.looks, Pipeline(tuple(_mild(t) for t in turned)))

    def callbacks(self) -> tuple[Callback, ...]:
        """What else is to happen in the training, beside the schedule."""
        return (EMA(self.average),) if self.average else ()

    def cycle(self) -> Schedule:
        """The schedule of the learning rate, ready for a training.

        Raises:
            ValueError: for one that there is not, or other arguments than it has.
        """
        given = dict(self.schedule)
        name = given.pop("name", None)
        if name not in SCHEDULES:
            raise ValueError(f"{name!r} is no schedule; there are: {', '.join(SCHEDULES)}")
        try:
            return SCHEDULES[name](self.rate, **given)
        except TypeError as error:
            raise ValueError(f"the schedule {name!r} takes other arguments: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_dict` reads back to an equal plan."""
        return {
            "medlib_plan": _VERSION,
            "reasons": list(self.reasons),
            "kind": _named(self.kind)
            if isinstance(self.kind, type)
            else {series: _named(kind) for series, kind in self.kind},
            "preprocess": self.preprocess.to_list(),
            "augment": self.augment.to_list(),
            "window": list(self.window),
            "overlap": self.overlap,
            "batch_size": self.batch_size,
            "rate": self.rate,
            "schedule": dict(self.schedule),
            "average": self.average,
            "smoothing": self.smoothing,
            "looks": self.looks,
            "minutes": self.minutes,
            "workers": self.workers,
            "begin": self.begin,
            "spread": self.spread,
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
        try:
            network = given["architecture"]
            a, b, c = (_whole_number(n) for n in given["window"])
            return cls(
                kind=kind_of(given["kind"]),
                preprocess=Pipeline.from_list(given["preprocess"], allowed=allowed),
                augment=Pipeline.from_list(given["augment"], allowed=allowed),
                window=(a, b, c),
                batch_size=_whole_number(given["batch_size"]),
                rate=float(given["rate"]),
                schedule=dict(given["schedule"]),
                average=float(given["average"]),
                smoothing=float(given["smoothing"]),
                looks=_whole_number(given["looks"]),
                overlap=float(given["overlap"]),
                minutes=float(given["minutes"]),
                workers=_whole_number(given["workers"]),
                begin=str(given["begin"]),
                spread=float(given["spread"]),
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


def kind_of(said: Any) -> ScanKind:
    """A kind of scan, or of each of several series, as it is typed or written.

    Args:
        said: ``"mr"``, a class such as ``MRVolume``, or of several series either by the series'
            name, in the order in which a network is to see them: ``{"T1": "mr", "PET": "pet"}``.

    Raises:
        ValueError: for a kind that there is not.

    Example:
        >>> kind_of({"CT": "ct", "PET": "pet"})[1][1].__name__
        'PETVolume'
    """
    if isinstance(said, tuple | Mapping) and said:
        return tuple((str(series), _one_kind(kind)) for series, kind in dict(said).items())
    return _one_kind(said)


def _one_kind(said: Any) -> type[Volume]:
    if isinstance(said, type) and issubclass(said, Volume):
        return said
    if said not in SCAN_KINDS:
        raise ValueError(f"{said!r} is no kind of scan; there are: {', '.join(SCAN_KINDS)}")
    return SCAN_KINDS[said]


def _named(kind: type[Volume]) -> str:
    return next(name for name, known in SCAN_KINDS.items() if known is kind)


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _mild(turned: RandomAffine) -> RandomAffine:
    """No further than answers stay sure: what has learned from wild variation still is best near."""
    axes = np.minimum(turned.degrees, _MOST_TURNED).tolist()
    degrees = tuple(axes) if isinstance(axes, list) else axes
    return replace(turned, degrees=degrees, scale=min(turned.scale, _MOST_STRETCHED))
