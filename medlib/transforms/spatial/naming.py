"""The step that exchanges left and right among the names, where the patient was mirrored."""

from __future__ import annotations

from dataclasses import dataclass

from medlib.transforms.steps import Step, apply, undo
from medlib.types import Kind, names_of, sided_pairs, swap_sides


@dataclass(frozen=True)
class SwapSides(Step):
    """What was called left is called right, and the other way round. It undoes itself.

    It changes names, not places: moves may pass before it or after it, all the same. Each value's own
    names say what changes places, so that a prediction is led back rightly although nobody knew its
    names when the scan was mirrored.

    Args:
        pairs: the names that change places; left out, all pairs of sides among a value's names.

    Raises:
        ValueError: on a value with a name that says a side and has no partner on the other.
    """

    pairs: tuple[tuple[str, str], ...] = ()


@apply.register
@undo.register
def _(step: SwapSides, value: Kind) -> Kind:
    swapped: Kind = swap_sides(value, step.pairs or _own_pairs(value))
    return swapped


def _own_pairs(value: Kind) -> tuple[tuple[str, str], ...]:
    pairs, alone = sided_pairs(names_of(value))
    if alone:
        raise ValueError(
            f"the scan was mirrored from left to right, and {', '.join(alone)} cannot follow: name "
            "both sides, or do not mirror"
        )
    return pairs
