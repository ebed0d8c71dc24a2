"""Steps that say the same structures by other numbers: another label table, a channel a label."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from medlib.transforms.labels.voting import strongest
from medlib.transforms.steps import LabelStep, Step, apply, undo
from medlib.types import (
    Answer,
    Code,
    Label,
    Labels,
    Mask,
    MultiVolume,
    Probabilities,
    Shape,
    Volume,
)
from medlib.types.ids import LARGEST, layered, looked_up

# A label as plain values: id, name, colour, and its code's value, scheme and meaning.
Row = tuple[int, str, str, tuple[str, str, str] | None]


@dataclass(frozen=True)
class Relabel(LabelStep):
    """Takes masks from one label table to another.

    It concerns masks of the first table, by ids and names, and leaves those alone that share no
    name with it. The way back concerns masks of the second table.

    Args:
        before: the first table.
        after: the second table.
        ids: (id before, id after), for every label of the first; 0 is background.
        rest: what becomes of ids that ``ids`` does not name; None refuses them.
    """

    before: tuple[Row, ...]
    after: tuple[Row, ...]
    ids: tuple[tuple[int, int], ...]
    rest: int | None = None

    @property
    def lost(self) -> str:
        """Which labels were merged, and which became background."""
        names = {row[0]: row[1] for row in self.before}
        said = []
        for new, name in ((0, "background"), *((row[0], row[1]) for row in self.after)):
            old = [names.get(o, f"id {o}") for o, n in self.ids if n == new]
            old += ["ids without a name"] if self.rest == new else []
            if len(old) > 1 and new:
                said.append(f"{', '.join(old)} were merged into {name}")
            elif old and not new:
                said.append(f"{', '.join(old)} became background")
        return "; ".join(said)

    @property
    def one_to_one(self) -> bool:
        """Whether each label of the second table comes from just one of the first."""
        reached = [new for _, new in self.ids if new] + ([self.rest] if self.rest else [])
        return not self.rest and sorted(reached) == sorted(row[0] for row in self.after)

    def relabel(self, mask: Mask) -> Mask:
        """The mask in the second table.

        Raises:
            ValueError: for a mask of a third table that shares names with the first, and for ids
                that nothing was said of.
        """
        if not _concerns(self.before, mask):
            return mask
        return _renumbered(mask, dict(self.ids), table_of(self.after), self.rest)

    def restore(self, mask: Mask) -> Mask:
        """The mask in the first table; unchanged when labels were merged, which names would hide."""
        if not self.one_to_one or not _concerns(self.after, mask):
            return mask
        back = {new: old for old, new in self.ids if new}
        return _renumbered(mask, back, table_of(self.before), None)


def rows_of(labels: Labels) -> tuple[Row, ...]:
    """A label table as plain values."""
    return tuple(
        (e.id, e.name, e.colour, (e.code.value, e.code.scheme, e.code.meaning) if e.code else None)
        for e in labels
    )


def table_of(rows: tuple[Row, ...]) -> Labels:
    """The label table that :func:`rows_of` wrote."""
    return Labels(
        tuple(
            Label(number, name, Code(*code) if code else None, colour)
            for number, name, colour, code in rows
        )
    )


def _concerns(rows: tuple[Row, ...], mask: Mask) -> bool:
    """Whether the mask is of this table, colours and codes aside."""
    ours = {(row[0], row[1]) for row in rows}
    theirs = {(label.id, label.name) for label in mask.labels}
    if ours == theirs:
        return True
    shared = {name for _, name in ours} & {name for _, name in theirs}
    if shared:
        raise ValueError(
            f"the mask also has {', '.join(sorted(shared))}, but its label table is another: "
            f"{_listed(theirs)} against {_listed(ours)}"
        )
    return False


def _renumbered(mask: Mask, new: dict[int, int], table: Labels, rest: int | None) -> Mask:
    """The mask in another table. What nobody looked at, or for, stays so.

    A structure was looked for if all that it is made of were.
    """
    unseen = mask.labels.ignored
    kept = {} if unseen is None else {unseen: unseen}
    known = set(mask.known.ids)
    parts = {
        label.id: {old for old, number in new.items() if number == label.id} for label in table
    }
    found = tuple(e.name for e in table if parts[e.id] and parts[e.id] <= known)
    entries = torch.full((LARGEST + 1,), -1 if rest is None else rest)
    entries[0] = 0
    for old, number in (new | kept).items():
        entries[old] = number
    return replace(
        mask,
        data=looked_up(mask.data, entries),
        labels=replace(table, ignored=unseen),
        annotated=None if len(found) == len(table) else found,
    )


def _listed(table: set[tuple[int, str]]) -> str:
    return ", ".join(f"{number} {name}" for number, name in sorted(table))


@dataclass(frozen=True)
class Encode(Step):
    """Turns masks into :class:`medlib.types.Probabilities` of 0 and 1, and back.

    Where structures overlap, several channels are 1. Background is 1 where there is none.

    Args:
        overlapping: how probabilities become a mask again. False: each voxel is what is most
            probable, background or a label. True: it is every label that is more probable than
            not, in as many layers as that takes.

    Raises:
        ValueError: for a mask with ids that its table does not have, and for one that does not
            know everything, since probabilities cannot say so.
    """

    overlapping: bool = False


@apply.register
def _(step: Encode, value: Mask) -> Probabilities:
    if value.known != value.labels or bool(value.unseen().any()):
        raise ValueError(
            "this mask is annotated in part only, and probabilities would call background what "
            "nobody looked at or for"
        )
    empty, first = (value.data == 0).all(0), value.data[0]
    data = value.data.new_empty((1 + len(value.labels), *value.grid.shape), dtype=torch.float32)
    data[0] = empty
    named = torch.zeros_like(empty)
    for channel, label in zip(data[1:], value.labels, strict=True):
        here = first == label.id
        for layer in value.data[1:]:
            here |= layer == label.id
        channel.copy_(here)
        named |= here
    if not torch.equal(named, ~empty) or len(value.data) > 1:
        _refuse_unknown(value)
    return Probabilities(data, value.grid, value.labels)


def _refuse_unknown(value: Mask) -> None:
    if unknown := value.unknown_ids():
        raise ValueError(
            f"the mask holds the ids {', '.join(map(str, unknown))}, which its label table has "
            "not; there is no channel for them"
        )


@undo.register
def _(step: Encode, value: Probabilities) -> Mask:
    ids = (0, *value.labels.ids)
    dtype = torch.uint8 if max(ids) < 256 else torch.int32
    if step.overlapping:
        probable = ((p > 0.5).cpu().numpy() for p in value.data[1:])
        layers = layered(zip(ids[1:], probable, strict=True), value.grid.shape, top=max(ids))
        data = torch.from_numpy(layers).to(value.data.device)
    else:
        data = strongest(zip(ids, value.data, strict=True), dtype)[None]
    return Mask(data, value.grid, value.labels)


@apply.register
def _(
    step: Encode, value: Volume | MultiVolume | Probabilities | Shape | Answer
) -> Volume | MultiVolume | Probabilities | Shape | Answer:
    return value


@undo.register
def _(
    step: Encode, value: Volume | MultiVolume | Mask | Shape | Answer
) -> Volume | MultiVolume | Mask | Shape | Answer:
    return value
