"""Steps: what was done to one item, in plain values, so that it can be undone anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from medlib.transforms.spec import Spec
from medlib.types import verb


@dataclass(frozen=True)
class Step(Spec):
    """One thing done to an item. Its fields are all that is needed to do it again or undo it."""

    @property
    def lost(self) -> str:
        """In words, what undoing it cannot bring back; empty where nothing is lost."""
        return ""


@verb
def apply(step: Step, value: object) -> object:
    """What ``step`` makes of ``value``; chosen by the types of both.

    Returns:
        A value of the same kind. A step that does not concern a kind returns it unchanged, and
        is registered to do so: for a kind that it has never heard of it raises ``TypeError``.
    """
    raise AssertionError


@verb
def undo(step: Step, value: object) -> object:
    """``value`` as it would have been before ``step``, as far as that can be known.

    What cannot be brought back is told by ``step.lost``.
    """
    raise AssertionError
