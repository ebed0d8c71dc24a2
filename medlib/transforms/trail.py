"""Trails: the steps of one item, in order, and the way back along them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from medlib.space import Grid
from medlib.transforms.spatial.move import Move, followed
from medlib.transforms.spatial.naming import SwapSides
from medlib.transforms.spec import from_dict
from medlib.transforms.steps import Step, apply, undo
from medlib.types import Kind

VERSION = 2

K = TypeVar("K", bound=Kind)


@dataclass(frozen=True)
class Trail:
    """What was done to an item, as plain values.

    ``decode`` needs nothing but this: not the pipeline, not the scan, not the process that made
    it.

    Example:
        >>> from medlib.space import Grid
        >>> grid = Grid.from_axes((4, 4, 4))
        >>> trail = Trail((Move(grid, grid.window((1, 1, 1), (2, 2, 2))),))
        >>> Trail.from_dict(trail.to_dict()) == trail
        True
    """

    steps: tuple[Step, ...] = ()

    def decode(self, value: K) -> K:
        """``value``, given at the trail's end, as it would be at its beginning.

        Masks, probabilities, points, boxes and contours land on the native grid. Neighbouring
        moves are undone in one interpolation.

        Raises:
            ValueError: when the value is not on the grid at the trail's end.
        """
        back: Move | None = None
        for step in reversed(self.steps):
            if isinstance(step, Move):
                back = followed(back, step.inverse)
                continue
            undone = undo(step, value)
            # What does not concern a value, or only its names, need not part two moves.
            if back is not None and undone is not value and not isinstance(step, SwapSides):
                value, back = apply(back, value), None
                undone = undo(step, value)
            value = undone
        return value if back is None else apply(back, value)

    @property
    def whereabouts(self) -> Trail:
        """The steps about where things are and what they are called, and none about what voxels hold.

        What was found is led back along these: it was never normalised, as the scan was.
        """
        return Trail(tuple(s for s in self.steps if isinstance(s, Move | SwapSides)))

    def way_back(self) -> Move | None:
        """All moves undone as one, from the trail's last grid to its first; None without any."""
        back: Move | None = None
        for step in reversed(self.steps):
            if isinstance(step, Move):
                back = followed(back, step.inverse)
        return back

    def named_back(self, value: K) -> K:
        """``value``, led back by :meth:`way_back`, with the names of left and right it had at first."""
        for step in reversed(self.steps):
            if isinstance(step, SwapSides):
                value = undo(step, value)
        return value

    @property
    def native(self) -> Grid | None:
        """The grid at the trail's beginning, if any step knows it."""
        return next((s.source for s in self.steps if isinstance(s, Move)), None)

    def lost(self) -> list[str]:
        """In words, what decoding cannot bring back."""
        return [step.lost for step in self.steps if step.lost]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the version of their form."""
        return {"medlib_trail": VERSION, "steps": [step.to_dict() for step in self.steps]}

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], *, steps: Iterable[type[Step]] | None = None
    ) -> Trail:
        """The trail that :meth:`to_dict` wrote.

        Args:
            values: what was written.
            steps: the classes of steps that may be built. Left out: all of
                :data:`medlib.transforms.STEPS`; give ``(*STEPS, YourStep)`` for one of your own.

        Raises:
            ValueError: for another version, a trail without steps, or a step that is not among
                ``steps``.
        """
        if values.get("medlib_trail") != VERSION:
            raise ValueError(
                f"this is no trail of version {VERSION} (medlib_trail is "
                f"{values.get('medlib_trail')!r}); read it with the medlib that wrote it"
            )
        if not isinstance(values.get("steps"), list):
            raise ValueError("this trail has no steps; it is not whole")
        allowed = _all_steps() if steps is None else tuple(steps)
        return cls(tuple(from_dict(step, allowed) for step in values["steps"]))


def _all_steps() -> tuple[type[Step], ...]:
    from medlib.transforms import STEPS  # that list is made of rooms above this one

    return STEPS
