"""What training makes small, for every kind of target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medlib.data import MaskBlock
from medlib.types import Categories, Category, Kind, Mask, Measurement, Points, verb


@verb
def loss(prediction: Tensor, target: Kind, *others: Kind) -> Tensor:
    """How far a network's answers to a batch are from their targets: a scalar to be made small.

    The kind of the targets, which all items of a batch share, says what the network's answers
    mean and which loss is due:

    =============  ==============================================  ===========================
    targets        prediction                                      loss
    =============  ==============================================  ===========================
    masks          logits (item, 1 + labels, slice, row, column),  Dice over the batch and
                   background first, then the table's order        cross-entropy, equal parts;
                                                                   what nobody looked at or
                                                                   for is not asked
    points         LPS millimetres (item, n, 3)                    mean distance, in mm
    a category     logits (item, words of the vocabulary)          cross-entropy
    categories     logits (item, words of the vocabulary)          binary cross-entropy
    a measurement  numbers (item,) in the targets' unit            mean absolute error
    =============  ==============================================  ===========================

    Register an implementation for ``(prediction: Tensor, target: YourKind, *others: YourKind)`` to teach it another.

    Raises:
        ValueError: when there is not one target for each item, the targets differ in labels,
            names, vocabulary or unit, or the prediction has another shape than they ask for.

    Example:
        >>> words = ("benign", "malignant")
        >>> logits = torch.tensor([[5.0, 0.0], [0.0, 5.0]])
        >>> round(float(loss(logits, Category("benign", words), Category("malignant", words))), 4)
        0.0067
    """
    raise AssertionError


def dice_and_cross_entropy(logits: Tensor, channels: Tensor) -> Tensor:
    """Soft Dice over the whole batch, and cross-entropy, in equal parts.

    A patch without a structure says little about it, so Dice looks at the batch as one.

    Args:
        logits: (item, class, slice, row, column).
        channels: (item, 1, slice, row, column), the true class; :data:`UNSEEN` where it is not
            known, and nothing is asked.
    """
    from monai.losses import DiceLoss

    seen = channels != UNSEEN
    shares = torch.softmax(logits, 1) * seen  # an unseen voxel counts for no class at all
    truth = nn.functional.one_hot(channels[:, 0].clamp(min=0), logits.shape[1])
    overlap = DiceLoss(batch=True)(shares, truth.movedim(-1, 1).to(shares) * seen)
    if not bool(seen.any()):
        return overlap * 0.0  # type: ignore[no-any-return]
    entropy = nn.functional.cross_entropy(logits, channels[:, 0], ignore_index=UNSEEN)
    both: Tensor = overlap + entropy
    return both


UNSEEN = -1


@loss.register
def _(prediction: Tensor, target: Mask, *others: Mask) -> Tensor:
    targets = (target, *others)
    names = _shared("labels", [mask.labels.names for mask in targets])
    _shaped(prediction, (len(targets), 1 + len(names), *target.grid.shape))
    numbers = torch.stack([_channels(mask) for mask in targets]).to(prediction.device)
    return dice_and_cross_entropy(_marginal(prediction, targets), numbers)


def _marginal(logits: Tensor, targets: tuple[Mask, ...]) -> Tensor:
    """Logits in which structures that nobody looked for in an item are part of its background.

    A voxel that bears no structure there may still be any of them (Shi et al., Marginal loss and
    exclusion loss for partially supervised multi-organ segmentation, 2021).
    """
    if all(mask.annotated is None for mask in targets):
        return logits
    rows = []
    for item, mask in zip(logits, targets, strict=True):
        asked = [True, *(name in mask.known for name in mask.labels.names)]
        known = torch.tensor(asked, device=logits.device).view(-1, 1, 1, 1)
        background = ~known
        background[0] = True
        merged = torch.logsumexp(item.masked_fill(~background, -torch.inf), 0, keepdim=True)
        rows.append(torch.cat([merged, item[1:].masked_fill(~known[1:], -1e4)]))
    return torch.stack(rows)


@loss.register
def _(prediction: Tensor, target: Points, *others: Points) -> Tensor:
    targets = (target, *others)
    _shared("names of points", [points.names for points in targets])
    _shaped(prediction, (len(targets), *target.coordinates.shape))
    places = torch.stack([torch.from_numpy(points.coordinates.copy()) for points in targets])
    apart: Tensor = torch.linalg.vector_norm(prediction - places.to(prediction), dim=-1)
    return apart.mean()


@loss.register
def _(prediction: Tensor, target: Category, *others: Category) -> Tensor:
    targets = (target, *others)
    words = _shared("vocabularies", [category.vocabulary for category in targets])
    _shaped(prediction, (len(targets), len(words)))
    numbers = torch.tensor([category.index for category in targets], device=prediction.device)
    return nn.functional.cross_entropy(prediction, numbers)


@loss.register
def _(prediction: Tensor, target: Categories, *others: Categories) -> Tensor:
    targets = (target, *others)
    words = _shared("vocabularies", [categories.vocabulary for categories in targets])
    _shaped(prediction, (len(targets), len(words)))
    answers = torch.stack([categories.vector for categories in targets]).to(prediction)
    return nn.functional.binary_cross_entropy_with_logits(prediction, answers)


@loss.register
def _(prediction: Tensor, target: Measurement, *others: Measurement) -> Tensor:
    targets = (target, *others)
    _shared("measurements", [(measured.name, measured.unit) for measured in targets])
    _shaped(prediction, (len(targets),))
    values = torch.tensor([measured.value for measured in targets]).to(prediction)
    return nn.functional.l1_loss(prediction, values)


def _channels(mask: Mask) -> Tensor:
    """The channel number of each voxel, (1, slice, row, column), int64."""
    if mask.overlaps:
        raise ValueError(
            "structures that overlap cannot be learned as one answer a voxel: decide which goes "
            "before which, and make the mask one layer"
        )
    if unknown := mask.unknown_ids():
        raise ValueError(f"the mask holds ids that its table has not: {unknown}")
    return MaskBlock(mask.labels).tensor(mask)  # as the data block has them


def _shared(what: str, found: list[tuple[str, ...]]) -> tuple[str, ...]:
    """What all targets have in common.

    Raises:
        ValueError: when two differ.
    """
    first = found[0]
    for number, other in enumerate(found):
        if other != first:
            raise ValueError(
                f"{what} differ within a batch: item 0 has {', '.join(first) or 'none'}; item "
                f"{number} has {', '.join(other) or 'none'}"
            )
    return first


def _shaped(prediction: Tensor, wanted: tuple[int, ...]) -> None:
    if tuple(prediction.shape) != wanted:
        raise ValueError(
            f"for these {wanted[0]} targets the prediction has to be {wanted}, and it is "
            f"{tuple(prediction.shape)}"
        )
