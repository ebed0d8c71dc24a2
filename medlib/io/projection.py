"""Radiographs in space: what is known of their pixels' size and of the patient's sides.

A projection has no depth and no place along the beam, so that its grid is a convention but for
two things: the size of a pixel, and which way its rows and columns run in the patient. Either is
taken from what the file says, or said to be unknown, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from medlib.io.files import UnreadableError
from medlib.io.stack import Stack
from medlib.space import Grid
from medlib.types import Radiograph

SIZE = "pixel size: "
SIDES = "sides: "
"""How warnings about either begin, so that what a user states can take their place."""
UNSIZED = f"{SIZE}not stated; a pixel counts as 1 mm, so no length or area measured here is true"
UNCHECKED = (
    "taken as radiographs are hung (the patient's left at the right of the image, feet down), "
    "which nobody has checked"
)
UNSIDED = f"{SIDES}not stated; {UNCHECKED}"
HUNG = ("L", "F")
_ALONG = {  # LPS
    "L": (1, 0, 0),
    "R": (-1, 0, 0),
    "P": (0, 1, 0),
    "A": (0, -1, 0),
    "H": (0, 0, 1),
    "F": (0, 0, -1),
}


def flat_grid(
    shape: tuple[int, int], spacing_mm: Sequence[float], sides: Sequence[str] = HUNG
) -> Grid:
    """The grid of a radiograph: one slice, whose thickness of 1 mm and place mean nothing.

    Args:
        shape: rows and columns.
        spacing_mm: between rows, between columns.
        sides: where rows lead, going right, and where columns lead, going down: letters as in
            DICOM's Patient Orientation (PS3.3 C.7.6.1.1.1): A, P, R, L, H, F. Of several letters
            the first counts.

    Raises:
        ValueError: for sides that are none, or not at right angles, and sizes that are not
            positive.

    Example:
        >>> flat_grid((6, 8), (0.2, 0.1)).orientation
        'PIL'
    """
    if len(spacing_mm) != 2 or not all(np.isfinite(s) and s > 0 for s in spacing_mm):
        raise ValueError(f"a pixel's size is two lengths above 0 mm, not {tuple(spacing_mm)}")
    along_row, down_column = (_direction(letters) for letters in _both(sides))
    if abs(along_row @ down_column) > 0:
        raise ValueError(f"rows and columns cannot both run along {sides[0]} and {sides[1]}")
    affine = np.eye(4)
    affine[:3, 0] = np.cross(along_row, down_column)  # right-handed, 1 mm
    affine[:3, 1] = down_column * spacing_mm[0]
    affine[:3, 2] = along_row * spacing_mm[1]
    return Grid((1, *shape), affine)


def stated(
    stack: Stack,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    sides: Sequence[str] | None = None,
) -> Stack:
    """A radiograph of which somebody knows more than its file says.

    Args:
        stack: of a radiograph, as :func:`medlib.io.survey` finds it.
        spacing_mm: between rows, between columns; one number for both. Left out, as it was.
        sides: where rows and columns lead, such as ``("L", "F")``; left out, as it was.

    Raises:
        UnreadableError: for anything but a radiograph.
        ValueError: for sizes and sides that cannot be.
    """
    if not issubclass(stack.kind, Radiograph):
        raise UnreadableError(
            f"{stack.name} is no radiograph: its place in the patient is what its file says"
        )
    grid, warnings, calibration = stack.grid, stack.warnings, stack.calibration
    own: tuple[float, ...] = grid.spacing[1:]
    if spacing_mm is not None:
        own = spacing_mm if isinstance(spacing_mm, tuple) else (spacing_mm, spacing_mm)
        warnings = tuple(text for text in warnings if not text.startswith(SIZE))
        calibration = "stated"
    led = _letters(grid)
    if sides is not None:
        led = tuple(sides)
        warnings = tuple(text for text in warnings if not text.startswith(SIDES))
    known = flat_grid((grid.shape[1], grid.shape[2]), own, led)
    return replace(stack, grid=known, warnings=warnings, calibration=calibration)


def sides_of(said: Sequence[str]) -> tuple[tuple[str, str], list[str]]:
    """Where rows and columns lead by what a file says, and what to know about that.

    Args:
        said: the values of Patient Orientation; empty where there are none.
    """
    letters = tuple(text.strip().upper() for text in said)
    if not any(letters):
        return HUNG, [UNSIDED]
    try:
        flat_grid((1, 1), (1.0, 1.0), letters)
    except ValueError:
        what = "\\".join(letters)
        return HUNG, [f"{SIDES}{what} is not understood; {UNCHECKED}"]
    if any(len(text) > 1 for text in letters):
        what = "\\".join(letters)
        return (letters[0], letters[1]), [
            f"{SIDES}the view is oblique ({what}); sides are those it is nearest to"
        ]
    return (letters[0], letters[1]), []


def _both(sides: Sequence[str]) -> Iterator[str]:
    if len(sides) != 2 or isinstance(sides, str):
        raise ValueError(
            f'sides are where rows and where columns lead, such as ("L", "F"), not {sides!r}'
        )
    yield from sides


def _direction(letters: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if not letters or set(letters) - set(_ALONG):
        raise ValueError(f"{letters!r} is no side of the patient; they are {', '.join(_ALONG)}")
    return np.array(_ALONG[letters[0]], dtype=np.float64)


def _letters(grid: Grid) -> tuple[str, ...]:
    """Where a flat grid's rows and columns lead."""
    nearest = [max(_ALONG, key=lambda k: grid.directions[:, axis] @ _ALONG[k]) for axis in (2, 1)]
    return tuple(nearest)
