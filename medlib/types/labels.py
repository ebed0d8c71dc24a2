"""Label tables: what the numbers in a mask stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

# Colours that are told apart on a grey image and by most colour-blind readers (Okabe and Ito
# 2008, then Tableau's set), used where a label brings none.
_PALETTE = (
    *("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2", "#76B7B2"),
    *("#E15759", "#B07AA1", "#9C755F", "#59A14F", "#FF9DA7", "#EDC948", "#4E79A7", "#BAB0AC"),
)
_IGNORED = "not annotated"
_ROLES = ("", "structure", "ignored")


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept, as in DICOM's code sequences (PS3.3 section 8.8).

    Example:
        >>> Code("10200004", "SCT", "Liver")
        Code(value='10200004', scheme='SCT', meaning='Liver')
    """

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Label:
    """One structure of a label table.

    Args:
        id: the number that stands for it in a mask's tensor, 1 or more (0 is background).
        name: what it is called, unique in its table.
        code: what it is, in SNOMED CT or another scheme; needed to say it in DICOM.
        colour: ``#RRGGBB``.
    """

    id: int
    name: str
    code: Code | None = None
    colour: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.id <= 65535:
            raise ValueError(
                f"label {self.name!r} has id {self.id}; ids run from 1 to 65535, 0 is background"
            )
        if not self.name.strip():
            raise ValueError(f"label {self.id} has no name")
        if self.colour and not re.fullmatch("#[0-9A-Fa-f]{6}", self.colour):
            raise ValueError(f"label {self.name!r} has colour {self.colour!r}, not #RRGGBB")
        if not self.colour:
            object.__setattr__(self, "colour", _PALETTE[(self.id - 1) % len(_PALETTE)])

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        digits = self.colour.lstrip("#")
        return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


@dataclass(frozen=True, slots=True)
class Labels:
    """An ordered table of labels, in which ids and names are each unique.

    Args:
        entries: the structures.
        ignored: the id that says of a voxel that nobody looked there; None where all was looked
            at. It is no structure: ``names``, ``ids``, ``len`` and iteration leave it out. See
            :class:`medlib.types.Mask` for what is made of such voxels.

    Example:
        >>> labels = Labels.of(["liver", "spleen"], ignored=255)
        >>> labels["spleen"].id
        2
        >>> labels.names, labels.ignored
        (('liver', 'spleen'), 255)
    """

    entries: tuple[Label, ...]
    ignored: int | None = None

    def __post_init__(self) -> None:
        if self.ignored is not None and not 1 <= self.ignored <= 65535:
            raise ValueError(f"the id of what is not annotated is {self.ignored}, not 1 to 65535")
        if self.ignored in self.ids:
            raise ValueError(
                f"the id {self.ignored} means both {self.by_id(self.ignored).name!r} and 'not "
                "annotated'; give one of them another"
            )
        for what, found in (("id", [str(e.id) for e in self]), ("name", [e.name for e in self])):
            twice = sorted({x for x in found if found.count(x) > 1})
            if twice:
                raise ValueError(f"a label table has the {what} {', '.join(twice)} more than once")

    @classmethod
    def of(cls, names: Iterable[str] | Mapping[int, str], *, ignored: int | None = None) -> Self:
        """A table from names (ids 1, 2, …) or from a mapping of id to name.

        Args:
            names: of the structures.
            ignored: the id of voxels that nobody looked at.

        Raises:
            TypeError: for a single string, which would be a label a letter.
        """
        if isinstance(names, str):
            raise TypeError(f"a label table takes several names: [{names!r}], not {names!r}")
        pairs = names.items() if isinstance(names, Mapping) else enumerate(names, start=1)
        return cls(tuple(Label(int(i), name) for i, name in pairs), ignored)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids, in order."""
        return tuple(e.id for e in self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(e.name for e in self.entries)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return any(e.name == name for e in self.entries)

    def __getitem__(self, name: str) -> Label:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(f"no label is called {name!r}; there are: {', '.join(self.names)}")

    def by_id(self, label_id: int) -> Label:
        """The label with this id.

        Raises:
            KeyError: naming the ids there are.
        """
        for entry in self.entries:
            if entry.id == label_id:
                return entry
        raise KeyError(f"no label has the id {label_id}; there are: {self.ids}")

    def to_list(self) -> list[dict[str, Any]]:
        """Plain JSON values that :meth:`from_list` reads back to an equal table."""
        unknown = {"id": self.ignored, "name": _IGNORED, "role": "ignored"}
        return [
            {"id": e.id, "name": e.name, "colour": e.colour}
            | (
                {}
                if e.code is None
                else {
                    "code": {
                        "value": e.code.value,
                        "scheme": e.code.scheme,
                        "meaning": e.code.meaning,
                    }
                }
            )
            for e in self.entries
        ] + ([] if self.ignored is None else [unknown])

    @classmethod
    def from_list(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """The table that :meth:`to_list` wrote.

        Raises:
            ValueError: when two rows stand for what is not annotated, or a row has a role that is
                not known here.
        """
        rows = tuple(rows)
        if odd := sorted({str(row["role"]) for row in rows if row.get("role", "") not in _ROLES}):
            raise ValueError(f"labels have the roles {', '.join(odd)}, which mean nothing here")
        unknown = [int(row["id"]) for row in rows if row.get("role") == "ignored"]
        if len(unknown) > 1:
            raise ValueError(f"the ids {unknown} all stand for what is not annotated; use one")
        return cls(
            tuple(
                Label(
                    id=int(row["id"]),
                    name=str(row["name"]),
                    code=Code(**row["code"]) if row.get("code") else None,
                    colour=str(row.get("colour", "")),
                )
                for row in rows
                if row.get("role") != "ignored"
            ),
            ignored=unknown[0] if unknown else None,
        )


NO_LABELS: Final = Labels(())
