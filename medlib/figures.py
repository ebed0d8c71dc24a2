"""Numbers as people read them. Whoever only looks at scans needs this too: it imports nothing."""

from __future__ import annotations

from collections.abc import Sequence


def three_figures(value: float) -> str:
    """Three figures of a size, and never a power of ten, which few people read.

    Example:
        >>> three_figures(1432.06), three_figures(99.96), three_figures(0.0421)
        ('1432', '100', '0.0421')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def place(mm: Sequence[float]) -> str:
    """A place in the patient.

    Args:
        mm: (3,), LPS millimetres.

    Example:
        >>> place([1.04, -20, 300.5])
        '1.0, -20.0, 300.5 mm (LPS)'
    """
    return ", ".join(f"{float(part):.1f}" for part in mm) + " mm (LPS)"
