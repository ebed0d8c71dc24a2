"""What the train page says, in words that need no course."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from medlib.figures import three_figures

MEASURES = {
    "Dice": "overlap with the label (Dice): 1 is perfect, 0 is nothing",
    "AUROC": "how often a true case is believed more than a false one (AUROC): 1 is perfect, 0.5 "
    "is chance",
    "probability of the truth": "how likely it calls what is true: 1 is sure and right",
}
_LOOK = """<style>
table.figures { border-collapse: collapse; width: 100%; font-size: 0.95rem }
table.figures th { text-align: left; color: #AEB6BF; font-weight: 500 }
table.figures th, table.figures td { padding: 0.35rem 0.8rem 0.35rem 0; border-bottom: 1px solid #2B3036 }
table.figures td:not(:first-child), table.figures th:not(:first-child) { text-align: right;
  font-variant-numeric: tabular-nums }
</style>"""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of plain text; nothing in it acts as markup."""
    head = "".join(f"<th>{html.escape(one)}</th>" for one in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    st.html(
        f'{_LOOK}<table class="figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def measure_of(name: str) -> str:
    """A measure, with a word of what it is.

    Example:
        >>> measure_of("error in mm")
        'error in mm: 0 is perfect'
    """
    return MEASURES.get(name, f"{name}: 0 is perfect" if name.startswith("error") else name)


def figure(value: float | None) -> str:
    """A figure, or a dash where nothing can be said."""
    if value is None:
        return "–"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"


def within(value: float | None, ends: Sequence[float | None] | None) -> str:
    """A figure with its interval, where there is one.

    Example:
        >>> within(0.91, [0.88, 0.93, 6]), within(0.91, [None, None, 1])
        ('0.91 (0.88 to 0.93)', '0.91')
    """
    if not ends or None in ends[:2]:
        return figure(value)
    return f"{figure(value)} ({figure(ends[0])} to {figure(ends[1])})"


def lasting(seconds: float) -> str:
    """A time, as one says it.

    Example:
        >>> lasting(42), lasting(130), lasting(7300)
        ('42 s', '2 min', '2 h 2 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def millilitres(ml: Sequence[float]) -> str:
    """From the smallest to the largest, and the middle."""
    if not ml:
        return "not known yet"
    low, middle, high = map(three_figures, ml)
    return f"{middle} ml" if low == high else f"{middle} ml ({low} to {high})"
