"""What pages say of scans, in plain words and safe to show."""

from __future__ import annotations

import re

from medlib.figures import three_figures


def plain(text: str) -> str:
    """Text as Markdown that shows just its letters: no HTML, no links, no pictures from afar."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def volume(ml: float) -> str:
    """Millilitres, to three figures where there are few.

    Example:
        >>> volume(1432.06), volume(0.0421), volume(0.0)
        ('1432 ml', '0.0421 ml', 'not found')
    """
    if not ml:
        return "not found"
    return f"{three_figures(ml)} ml"
