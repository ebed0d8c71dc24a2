"""Recipes and steps for the values of some kinds only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from medlib.space import Grid, Map
from medlib.transforms.chance import Chance
from medlib.transforms.composing import Composition
from medlib.transforms.recipe import Transform
from medlib.transforms.scene import Scene
from medlib.transforms.spatial.move import Move
from medlib.transforms.spatial.naming import SwapSides
from medlib.transforms.steps import Step, apply, undo
from medlib.types import Gridded, Kind, MultiVolume


@dataclass(frozen=True)
class Only(Composition):
    """A recipe for the values of some kinds only: noise for the CT of a PET/CT.

    Of a :class:`medlib.types.MultiVolume`, the parts of these kinds. Where there are none, it
    does nothing. It is for what voxels hold: a move would part the values from one another, and
    is refused.

    Args:
        kinds: names of classes, such as ``("CTVolume",)``; what is derived from one counts too.
        transform: the recipe; it sees these values only.

    Raises:
        ValueError: for a name that no kind has; and for an item, when the recipe draws a move.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline, Window
        >>> from medlib.types import CTVolume, PETVolume
        >>> grid = Grid.from_axes((2, 2, 2))
        >>> both = Item((CTVolume(torch.zeros(1, 2, 2, 2), grid),
        ...              PETVolume(torch.zeros(1, 2, 2, 2), grid)))
        >>> done = Pipeline((Only(("CTVolume",), Window(40, 400)),))(both)
        >>> [value.units for value in done.values]
        ['1', 'SUVbw']
    """

    kinds: tuple[str, ...]
    transform: Transform

    def __post_init__(self) -> None:
        _check_kinds(self.kinds)

    @property
    def members(self) -> tuple[Transform, ...]:
        """The one."""
        return (self.transform,)

    def check(self, scene: Scene) -> None:
        """Refuse what the member refuses of these values."""
        part = _Part(scene, self.kinds)
        if part.unmoved:
            self.transform.check(part)

    def hand_on(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The transform's steps, each for these kinds only."""
        part = _Part(scene, self.kinds)
        if part.unmoved:
            for step in self.transform.steps(part, chance):
                yield OnlyOn(self.kinds, step)


class _Part(Scene):
    """A scene as if it held the values of some kinds only, to draw steps by.

    It looks on while the whole scene goes on, and holds nothing itself.
    """

    def __init__(self, whole: Scene, kinds: tuple[str, ...]) -> None:
        self.name = whole.name
        self._whole = whole
        self._kinds = kinds

    @property
    def grid(self) -> Grid:
        return self._whole.grid

    @property
    def moved(self) -> Map:
        return self._whole.moved

    @property
    def unmoved(self) -> tuple[Kind, ...]:
        return self._of(self._whole.unmoved)

    @property
    def values(self) -> tuple[Kind, ...]:
        return self._of(self._whole.values)

    def _of(self, values: tuple[Kind, ...]) -> tuple[Kind, ...]:
        chosen = (_chosen(value, self._kinds) for value in values)
        return tuple(value for value in chosen if value is not None)


@dataclass(frozen=True)
class OnlyOn(Step):
    """A step for the values of some kinds only.

    Args:
        kinds: names of classes; what is derived from one counts too.
        step: the step. It must leave values their kind and their grid.

    Raises:
        ValueError: for a name that no kind has, and for a move; when applied, for a step that
            does not leave kind and grid.
    """

    kinds: tuple[str, ...]
    step: Step

    def __post_init__(self) -> None:
        _check_kinds(self.kinds)
        if isinstance(self.step, Move | SwapSides):
            raise ValueError(
                f"{' and '.join(self.kinds)} alone cannot be moved: image, mask and the rest of an "
                "item would part. Move all of them; register the image first if it lies elsewhere"
            )

    @property
    def lost(self) -> str:
        """What the step loses, and where."""
        return f"{', '.join(self.kinds)}: {self.step.lost}" if self.step.lost else ""


@apply.register
def _(step: OnlyOn, value: Kind) -> Kind:
    own = _chosen(value, step.kinds)
    if own is None:
        return value
    changed: Kind = apply(step.step, own)
    if type(changed) is not type(own) or not _same_place(own, changed):
        raise ValueError(
            f"{type(step.step).__name__} leaves a {type(own).__name__} no longer where it was, or "
            "no longer one; for some kinds only that would part it from the rest of the item"
        )
    return _put_back(changed, value)


@undo.register
def _(step: OnlyOn, value: Kind) -> Kind:
    own = _chosen(value, step.kinds)
    return value if own is None else _put_back(undo(step.step, own), value)


def _is_of(value: Kind, kinds: tuple[str, ...]) -> bool:
    return any(cls.__name__ in kinds for cls in type(value).__mro__)


def _chosen(value: Kind, kinds: tuple[str, ...]) -> Kind | None:
    """The value, if it is of these kinds; of several series those that are; else None."""
    if _is_of(value, kinds):
        return value
    if isinstance(value, MultiVolume):
        pairs = zip(value.names, value.parts, strict=True)
        named = {name: part for name, part in pairs if _is_of(part, kinds)}
        if named:
            return MultiVolume(tuple(named.values()), tuple(named))
    return None


def _put_back(changed: Kind, value: Kind) -> Kind:
    """``value`` with its chosen series as they are in ``changed``, or ``changed`` itself."""
    if not (isinstance(value, MultiVolume) and isinstance(changed, MultiVolume)):
        return changed
    new = dict(zip(changed.names, changed.parts, strict=True))
    pairs = zip(value.names, value.parts, strict=True)
    return replace(value, parts=tuple(new.get(name, part) for name, part in pairs))


def _same_place(before: Kind, after: Kind) -> bool:
    gridded = Gridded | MultiVolume
    if not (isinstance(before, gridded) and isinstance(after, gridded)):
        return True
    return after.grid is before.grid or after.grid == before.grid


def _check_kinds(kinds: tuple[str, ...] | str) -> None:
    if isinstance(kinds, str):  # it would be a kind a letter
        raise TypeError(f"several kinds are named: ({kinds!r},), not {kinds!r}")
    known = {cls.__name__ for cls in _derived(Kind)}
    if unknown := [name for name in kinds if name not in known]:
        raise ValueError(
            f"no kind is called {', '.join(unknown)}; there are: {', '.join(sorted(known))}"
        )


def _derived(cls: type) -> Iterator[type]:
    yield cls
    child: type
    for child in cls.__subclasses__():
        yield from _derived(child)
