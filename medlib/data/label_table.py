"""Finding out what the numbers in label files are called."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medlib import io
from medlib.types import Label, Labels

_IGNORE = "ignore"  # nnU-Net's name for voxels that nobody looked at


def find_labels(folder: Path, files: Iterable[Path]) -> Labels:
    """The label table of a folder of label files.

    Looked for in this order: ``labels.json`` (names by id, or medlib's own list),
    ``dataset.json`` (Medical Segmentation Decathlon, nnU-Net) and ``card.toml`` (medlib's data
    sets), in the folder or the one above it; then the tables inside the files themselves (DICOM
    SEG, medlib's NIfTI). A map without any table gives ``label 1``, ``label 2``, … for the ids that occur.

    A table that calls an id ``ignore``, as nnU-Net does, says that voxels of this id were not looked
    at: it becomes the table's ``ignored``.

    Raises:
        ValueError: when a table cannot be read, or two files call one number by two names.
    """
    root = folder if folder.is_dir() else folder.parent
    for place in (root, root.parent):
        for name, read in _TABLES.items():
            if (place / name).is_file():
                return read(place / name)
    known: dict[int, Label] = {}
    ignored: set[int] = set()
    for path in files:
        table = io.read_mask(path).labels
        ignored.update(() if table.ignored is None else (table.ignored,))
        for label in table:
            earlier = known.setdefault(label.id, label)
            if earlier.name != label.name:
                raise ValueError(
                    f"{path} calls label {label.id} {label.name!r}, another file {earlier.name!r}; "
                    "write a labels.json beside them that says what each number means"
                )
    if len(ignored) > 1:
        raise ValueError(
            f"the files in {folder} say of the ids {', '.join(map(str, sorted(ignored)))} that they "
            "are not annotated; write all of them with one"
        )
    return Labels(tuple(known[i] for i in sorted(known)), *ignored)


def _from_card(path: Path) -> Labels:
    from medlib.datasets import Card

    return Card.read(path).table


def read_table(path: Path) -> Labels:
    """The label table in a JSON file: names by id, ids by name, or medlib's own list.

    Raises:
        ValueError: when it is none, or would lose a label.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
        if path.name == "dataset.json":
            content = content["labels"]
        if isinstance(content, list):
            return Labels.from_list(content)
        if all(key.isdigit() for key in content):  # {"1": "liver"}: by id
            rows = [(int(key), str(name)) for key, name in content.items()]
        else:  # {"liver": 1}: by name, as nnU-Net writes it
            rows = [(_whole(number), name) for name, number in content.items()]
        unseen = [number for number, name in rows if name == _IGNORE]
        if len(unseen) > 1:
            raise ValueError("it calls two ids 'ignore'")
        named = sorted((number, name) for number, name in rows if number > 0 and name != _IGNORE)
        if not named:
            raise ValueError("it names no label")
        return Labels(tuple(Label(*row) for row in named), unseen[0] if unseen else None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no label table: {error}. It should map ids to names, "
            'like {"1": "liver", "2": "spleen"}.'
        ) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which a name said twice would silently lose what it said first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it says a name twice")
    return found


def _whole(number: Any) -> int:
    if not isinstance(number, int | str) or isinstance(number, bool):
        raise TypeError(f"{number!r} is no id")
    return int(number)


_TABLES = {"labels.json": read_table, "dataset.json": read_table, "card.toml": _from_card}
