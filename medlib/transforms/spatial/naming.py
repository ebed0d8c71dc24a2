"""The step that exchanges left and right among the names, where the patient was mirrored."""

from __future__ import annotations

from dataclasses import dataclass

from medlib.transforms.steps import Step, apply, undo
from medlib.types import Kind, swap_sides


@dataclass(frozen=True)
class SwapSides(Step):
    """What was called left is called right, and the other way round. It undoes itself.

    It changes names, not places: moves may pass before it or after it, all the same.

    Args:
        pairs: the names that change places.
    """

    pairs: tuple[tuple[str, str], ...]


@apply.register
@undo.register
def _(step: SwapSides, value: Kind) -> Kind:
    swapped: Kind = swap_sides(value, step.pairs)
    return swapped
