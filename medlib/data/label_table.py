"""Finding out what the numbers in label files are called."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medlib import io
from medlib.types import Label, Labels


def find_labels(folder: Path, files: Iterable[Path]) -> Labels:
    """The label table of a folder of label files.

    Looked for in this order: ``labels.json`` (names by id, or medlib's own list),
    ``dataset.json`` (Medical Segmentation Decathlon, nnU-Net) and ``card.toml`` (medlib's data
    sets), in the folder or the one above it; then the tables inside the files themselves (DICOM
    SEG, medlib's NIfTI). A map without any table gives ``label 1``, ``label 2``, … for the ids that occur.

    Raises:
        ValueError: when a table cannot be read, or two files call one number by two names.
    """
    root = folder if folder.is_dir() else folder.parent
    for place in (root, root.parent):
        for name, read in _TABLES.items():
            if (place / name).is_file():
                return read(place / name)
    known: dict[int, Label] = {}
    for path in files:
        for label in io.read_mask(path).labels:
            earlier = known.setdefault(label.id, label)
            if earlier.name != label.name:
                raise ValueError(
                    f"{path} calls label {label.id} {label.name!r}, another file {earlier.name!r}; "
                    "write a labels.json beside them that says what each number means"
                )
    return Labels(tuple(known[i] for i in sorted(known)))


def _from_card(path: Path) -> Labels:
    from medlib.datasets import Card

    return Card.read(path).table


def _from_json(path: Path) -> Labels:
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
        if "ignore" in dict(rows).values():
            raise ValueError("it has nnU-Net's label 'ignore', which cannot be learned; remove it")
        if not any(number > 0 for number, _ in rows):
            raise ValueError("it names no label")
        return Labels(tuple(Label(number, name) for number, name in sorted(rows) if number > 0))
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


_TABLES = {"labels.json": _from_json, "dataset.json": _from_json, "card.toml": _from_card}
