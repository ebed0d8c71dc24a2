"""The loss that a network brings along: it is told what is true, and says how far off it was."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medlib.data import Batch, MaskBlock
from medlib.infer import MeasurementOutput, Output, checked
from medlib.models import ModelOutput, takes_labels
from medlib.types import Categories, Category, Kind, Mask, Measurement, verb


@verb
def told(target: Kind, output: Output) -> Tensor:
    """What a network that has a loss of its own is told of a target, in plain numbers.

    =============  =================================================================
    a category     its place in the vocabulary: (), int64
    categories     yes or no: (word,), float32
    a measurement  in deviations from what is usual, as the network gives it: (),
                   float32
    a mask         channel numbers, 0 for background: (1, slice, row, column), int64
    =============  =================================================================

    Register an implementation for ``(target: YourKind, output: Output)`` to teach it another.

    Args:
        target: what is true of one item.
        output: what is asked of the network.

    Raises:
        ValueError: for a mask or questions of which not everything is known, and for a single
            question.

    Example:
        >>> from medlib.infer import BeliefOutput
        >>> words = ("benign", "malignant")
        >>> told(Category("malignant", words), BeliefOutput(words))
        tensor(1)
    """
    raise AssertionError


@told.register
def _(target: Category, output: Output) -> Tensor:
    return torch.tensor(target.index)


@told.register
def _(target: Categories, output: Output) -> Tensor:
    # Hugging Face's models take one output for a number (squared error), and it would be read as
    # the logit of a probability.
    if len(target.vocabulary) == 1:
        raise ValueError(
            f"{target.vocabulary[0]} is a single question, which a network's own loss may take "
            "for a number; ask it as one of two words (CategoryBlock)"
        )
    if target.unknown:
        raise ValueError(
            f"of {', '.join(target.unknown)} nobody knows, which a network's own loss would take for "
            'no; leave loss="own" out: the usual loss asks for what is known'
        )
    return target.vector.float()


@told.register
def _(target: Measurement, output: MeasurementOutput) -> Tensor:
    return torch.tensor((target.value - output.mean) / output.deviation)


@told.register
def _(target: Mask, output: Output) -> Tensor:
    unknown = []
    if len(target.known) < len(target.labels):
        unknown.append(f"only {', '.join(target.known.names) or 'nothing'} was looked for")
    if target.labels.ignored is not None:
        unknown.append(f"{target.labels.ignored} stands for voxels that nobody looked at")
    if unknown:
        raise ValueError(
            f"{' and '.join(unknown)}, which a network's own loss would take for background; "
            'leave loss="own" out: the usual loss asks for what is known'
        )
    return MaskBlock(target.labels).tensor(target)


class OwnLoss:
    """The loss that a network has itself: ``Learner(loss="own")``.

    In training the network is told what is true beside what it sees (:func:`told`), as its
    ``labels``, and the loss that it gives is taken as it is.

    Args:
        network: takes ``labels``, as Hugging Face's models with heads do.

    Raises:
        ValueError: for a network that takes none.

    Example:
        >>> OwnLoss(nn.Conv3d(1, 2, 1))
        Traceback (most recent call last):
            ...
        ValueError: a Conv3d takes no labels, so it has no loss of its own; leave loss="own" out
    """

    def __init__(self, network: nn.Module) -> None:
        if not takes_labels(network):
            raise ValueError(
                f"a {type(network).__name__} takes no labels, so it has no loss of its own; "
                'leave loss="own" out'
            )

    def labels(self, batch: Batch, output: Output) -> Tensor:
        """What the network is told of a batch: (item, …), where the batch is.

        Raises:
            ValueError: naming the case of which not everything is known.
            TypeError: for a kind that :func:`told` does not know.
        """
        found = []
        for name, target in zip(batch.names, batch.targets, strict=True):
            try:
                found.append(told(target, output))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return torch.stack(found).to(batch.x.device, non_blocking=True)

    def taken(
        self, given: ModelOutput, output: Output, batch: Batch, targets: Sequence[Kind]
    ) -> Tensor:
        """The loss that the network gave for a batch: a scalar.

        Args:
            given: by the network, which was told of the batch's targets.
            output: what was asked of it.
            batch: that it saw.
            targets: that its answers are to be compared with; the batch's.

        Raises:
            ValueError: when it gave none, or not as many numbers as are asked for; and for other
                targets, of which it was told nothing.
        """
        checked(given.logits, output)
        if targets is not batch.targets:
            raise ValueError(
                "a network's own loss is of the targets that it was told of, and here others are "
                'asked for, as mixing scans does (Mixup, CutMix); leave that out, or loss="own"'
            )
        if given.loss is None:
            raise ValueError(
                'the network was given labels and gave no loss of its own; leave loss="own" out'
            )
        return given.loss.float()
