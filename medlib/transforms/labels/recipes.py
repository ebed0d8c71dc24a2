"""Recipes for masks: other label tables, stray parts, holes, a channel a label.

They look at masks and leave all else as it is. They draw nothing at random, but for whether they
are taken at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medlib.transforms.chance import Chance
from medlib.transforms.labels.connected import CloseHoles, Connectivity, KeepParts, Plane
from medlib.transforms.labels.recoding import Encode, Relabel, rows_of
from medlib.transforms.recipe import Transform
from medlib.transforms.scene import Scene
from medlib.types import Label, Labels, Mask


@dataclass(frozen=True)
class Remap(Transform):
    """Gives structures other names and numbers; several may become one, or background.

    Every label must be named, or ``others`` must say what becomes of the rest: none is kept, lost
    or merged unsaid. A label that keeps its name, or is alone in having its new one, keeps its
    colour and code. What was mapped one to one is mapped back by the trail; where labels were
    merged, the way back leaves the new names, which are true, as they are.

    Args:
        names: (old, new). Old: a name, or an id, for masks without a table. New: a name, or
            ``""`` for background.
        labels: the new table, (id, name). Left out: the new names in the order in which they are
            first mentioned, from 1.
        others: the new name of all labels that ``names`` leaves out, or ``""``; None refuses them.

    Raises:
        ValueError: for an old name that is given twice, a new one that ``labels`` lacks, and, for
            an item, for labels of which nothing is said, names that no mask has, or several
            tables that have them.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline
        >>> found = Labels.of(["liver", "cyst", "metastasis"])
        >>> mask = Mask(torch.tensor([[[[1, 2, 3]]]]), Grid.from_axes((1, 1, 3)), found)
        >>> lesions = (("cyst", "lesion"), ("metastasis", "lesion"))
        >>> done = Pipeline((Remap(lesions, others=""),))(Item((mask,)))
        >>> done.values[0].data.tolist(), done.values[0].labels.names
        ([[[[0, 1, 1]]]], ('lesion',))
        >>> done.trail.lost()
        ['liver, ids without a name became background; cyst, metastasis were merged into lesion']
    """

    names: tuple[tuple[str | int, str], ...]
    labels: tuple[tuple[int, str], ...] = ()
    others: str | None = None

    def __post_init__(self) -> None:
        old = [name for name, _ in self.names]
        if twice := sorted({str(name) for name in old if old.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} cannot become two things")
        table = {name for _, name in self.labels}
        if self.labels and (lacking := [n for n in self._new() if n not in table]):
            raise ValueError(f"the new label table lacks {', '.join(lacking)}")

    def draw(self, scene: Scene, chance: Chance) -> Relabel:
        """The step from the masks' table to the new one."""
        before = self._table(scene)
        old = {self._id(name, before): new for name, new in self.names}
        if len(old) < len(self.names):
            raise ValueError("a label is given twice, by its name and by its id; leave out one")
        for label in before:
            if label.id not in old and self.others is not None:
                old[label.id] = self.others
        if unsaid := [label.name for label in before if label.id not in old]:
            raise ValueError(
                f"nothing is said of {', '.join(unsaid)}: name what each becomes, or what all "
                "others do"
            )
        after = self._after(before, old)
        ids = tuple((number, after[name].id if name else 0) for number, name in old.items())
        rest = None if self.others is None else after[self.others].id if self.others else 0
        return Relabel(rows_of(before), rows_of(after), ids, rest)

    def _new(self) -> list[str]:
        """The new names, each once."""
        mentioned = [name for _, name in self.names] + [self.others or ""]
        return [name for name in dict.fromkeys(mentioned) if name]

    def _table(self, scene: Scene) -> Labels:
        """The one table that has the old names."""
        tables = list(dict.fromkeys(v.labels for v in scene.unmoved if isinstance(v, Mask)))
        having = [table for table in tables if any(_has(table, old) for old, _ in self.names)]
        if len(having) == 1:
            return having[0]
        there = "; ".join(", ".join(table.names) or "no names" for table in tables) or "no masks"
        raise ValueError(
            f"{len(having)} label tables have any of {', '.join(str(o) for o, _ in self.names)}, "
            f"and it must be one; there are: {there}"
        )

    @staticmethod
    def _id(old: str | int, table: Labels) -> int:
        if not _has(table, old):
            raise ValueError(
                f"no label is {old!r}; there are: "
                f"{', '.join(f'{label.id} {label.name}' for label in table)}"
            )
        return table[old].id if isinstance(old, str) else old

    def _after(self, before: Labels, old: dict[int, str]) -> Labels:
        rows = self.labels or tuple(enumerate(self._new(), start=1))
        known = {label.id: label for label in before}
        found = []
        for number, name in rows:
            sources = [known[i] for i, new in old.items() if new == name and i in known]
            same = [label for label in sources if label.name == name] or sources
            kept = same[0] if len(same) == 1 else Label(number, name)
            found.append(Label(number, name, kept.code, kept.colour))
        return Labels(tuple(found))


def _has(table: Labels, old: str | int) -> bool:
    """Whether a table has a label; one that is empty may have any id."""
    return old in table if isinstance(old, str) else old in table.ids or not table.ids


@dataclass(frozen=True)
class KeepLargest(Transform):
    """Keeps the largest connected parts of each structure; the others become background.

    Not for structures that come in many pieces: of several metastases it keeps one.

    Args:
        labels: names of the structures; all when there is none.
        count: how many parts of each are kept.
        connectivity: 6, 18 or 26 neighbours; see :class:`KeepParts`.

    Raises:
        ValueError: for a count below 1 or another connectivity; for an item none of whose masks
            has one of the names.
    """

    labels: tuple[str, ...] = ()
    count: int = 1
    connectivity: Connectivity = 26

    def __post_init__(self) -> None:
        self._step()

    def _step(self) -> KeepParts:
        return KeepParts(self.labels, self.count, connectivity=self.connectivity)

    def draw(self, scene: Scene, chance: Chance) -> KeepParts:
        """The step."""
        known_names(scene, self.labels)
        return self._step()


@dataclass(frozen=True)
class RemoveSmall(Transform):
    """Removes the connected parts of each structure that are smaller than a volume.

    Args:
        below_ml: parts of fewer millilitres become background.
        labels: names of the structures; all when there is none.
        connectivity: 6, 18 or 26 neighbours; see :class:`KeepParts`.

    Raises:
        ValueError: for a volume below 0 or another connectivity; for an item none of whose masks
            has one of the names.
    """

    below_ml: float
    labels: tuple[str, ...] = ()
    connectivity: Connectivity = 26

    def __post_init__(self) -> None:
        self._step()

    def _step(self) -> KeepParts:
        return KeepParts(self.labels, None, self.below_ml, self.connectivity)

    def draw(self, scene: Scene, chance: Chance) -> KeepParts:
        """The step."""
        known_names(scene, self.labels)
        return self._step()


@dataclass(frozen=True)
class FillHoles(Transform):
    """Gives the holes in structures to the structures around them, but no voxel of another label.

    Args:
        labels: names of the structures; all when there is none.
        plane: ``"axial"``, ``"coronal"`` or ``"sagittal"`` to look plane by plane; None for holes
            that are closed on all sides. See :class:`CloseHoles`.

    Raises:
        ValueError: for another plane; for an item none of whose masks has one of the names.
    """

    labels: tuple[str, ...] = ()
    plane: Plane | None = None

    def __post_init__(self) -> None:
        self._step()

    def _step(self) -> CloseHoles:
        return CloseHoles(self.labels, self.plane)

    def draw(self, scene: Scene, chance: Chance) -> CloseHoles:
        """The step."""
        known_names(scene, self.labels)
        return self._step()


@dataclass(frozen=True)
class OneHot(Transform):
    """Turns masks into probabilities of 0 and 1: a channel for background, and one a label.

    The trail turns probabilities that are led back through it into a mask.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline
        >>> organs = Labels.of(["liver", "spleen"])
        >>> mask = Mask(torch.tensor([[[[0, 2]]]]), Grid.from_axes((1, 1, 2)), organs)
        >>> done = Pipeline((OneHot(),))(Item((mask,)))
        >>> done.values[0].data.flatten(1).tolist()
        [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
        >>> done.trail.decode(done.values[0]).data.tolist()
        [[[[0, 2]]]]
    """

    def draw(self, scene: Scene, chance: Chance) -> Encode:
        """The step."""
        return Encode(any(v.overlaps for v in scene.unmoved if isinstance(v, Mask)))


def known_names(scene: Scene, names: Iterable[str]) -> None:
    """Refuse names of structures that no mask of the item knows.

    Raises:
        ValueError: naming those that there are.
    """
    there = [n for v in scene.unmoved if isinstance(v, Mask) for n in v.labels.names]
    if unknown := [name for name in names if name not in there]:
        raise ValueError(
            f"no mask has {', '.join(unknown)}; there are: "
            f"{', '.join(dict.fromkeys(there)) or 'none'}"
        )
