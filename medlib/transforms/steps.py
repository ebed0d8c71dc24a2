"""Steps: what was done to one item, in plain values, so that it can be undone anywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from torch import Tensor

from medlib.transforms.spec import Spec
from medlib.types import Answer, Mask, MultiVolume, Probabilities, Reference, Shape, Volume, verb


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


@dataclass(frozen=True)
class IntensityStep(Step, ABC):
    """A step that changes what voxels hold and leaves them in place.

    It concerns scans; masks, shapes and answers pass through.
    """

    @abstractmethod
    def forward(self, scan: Volume) -> Tensor:
        """The new voxels, (channel, slice, row, column). ``scan.data`` itself must stay as it is.

        Args:
            scan: its voxels, and the grid they are on.
        """

    def backward(self, scan: Volume) -> Tensor:
        """The voxels as they were, as far as can be known: unchanged, unless a step can do better."""
        return scan.data

    def of(self, background: float) -> float:
        """What becomes of the value of empty space: nothing, unless a step says otherwise."""
        return background

    def back(self, background: float) -> float:
        """The value of empty space before the step."""
        return background


@apply.register
def _(step: IntensityStep, value: Volume) -> Volume:
    return replace(value, data=step.forward(value), background=step.of(value.background))


@undo.register
def _(step: IntensityStep, value: Volume) -> Volume:
    return replace(value, data=step.backward(value), background=step.back(value.background))


@dataclass(frozen=True)
class LabelStep(Step, ABC):
    """A step that changes which voxels bear which label; all but masks pass through."""

    @abstractmethod
    def relabel(self, mask: Mask) -> Mask:
        """The new mask, on the same grid."""

    def restore(self, mask: Mask) -> Mask:
        """The mask as it was, as far as can be known: unchanged, unless a step can do better."""
        return mask


@apply.register
def _(step: LabelStep, value: Mask) -> Mask:
    return step.relabel(value)


@undo.register
def _(step: LabelStep, value: Mask) -> Mask:
    return step.restore(value)


@apply.register
def _(step: IntensityStep, value: MultiVolume) -> MultiVolume:
    return replace(value, parts=tuple(apply(step, part) for part in value.parts))


@undo.register
def _(step: IntensityStep, value: MultiVolume) -> MultiVolume:
    return replace(value, parts=tuple(undo(step, part) for part in value.parts))


# What each family of steps does not concern.
@apply.register
@undo.register
def _(
    step: IntensityStep, value: Mask | Probabilities | Reference | Shape | Answer
) -> Mask | Probabilities | Reference | Shape | Answer:
    return value


@apply.register
@undo.register
def _(
    step: LabelStep, value: Volume | MultiVolume | Probabilities | Reference | Shape | Answer
) -> Volume | MultiVolume | Probabilities | Reference | Shape | Answer:
    return value


@dataclass(frozen=True)
class ByPart(Step):
    """A step of its own for each series of a :class:`medlib.types.MultiVolume`.

    Args:
        steps: in the order of the parts; None for a part that stays as it is.
    """

    steps: tuple[IntensityStep | None, ...]

    @property
    def lost(self) -> str:
        """What the parts' steps lose."""
        return "; ".join(dict.fromkeys(step.lost for step in self.steps if step and step.lost))


@apply.register
def _(step: ByPart, value: MultiVolume) -> MultiVolume:
    parts = zip(step.steps, value.parts, strict=True)
    return replace(value, parts=tuple(apply(own, part) if own else part for own, part in parts))


@undo.register
def _(step: ByPart, value: MultiVolume) -> MultiVolume:
    parts = zip(step.steps, value.parts, strict=True)
    return replace(value, parts=tuple(undo(own, part) if own else part for own, part in parts))


@apply.register
@undo.register
def _(
    step: ByPart, value: Mask | Probabilities | Reference | Shape | Answer
) -> Mask | Probabilities | Reference | Shape | Answer:
    return value
