"""Tables for spreadsheets and programs (RFC 4180), in which no cell is a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table as UTF-8.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.

    Args:
        path: of the file.
        columns: their names, in order.
        rows: values by column; what is missing stays empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([_text(column) for column in columns])
        writer.writerows([_text(row.get(column)) for column in columns] for row in rows)


def _text(value: object) -> object:
    r"""A cell.

    Example:
        >>> [_text(value) for value in ("=1+1", "liver", -1.5, None)]
        ["'=1+1", 'liver', -1.5, None]
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
