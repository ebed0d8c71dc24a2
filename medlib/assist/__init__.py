"""Help with labelling: from a box and clicks, from scribbles, between slices; tidying, choosing.

Values in, new values out, on the server of whichever application shows them. Everything is in
patient millimetres, and nothing is changed in place, so that undoing is to take the old value.
"""

from medlib.assist.between import fill_between
from medlib.assist.choosing import (
    SliceSuggestion,
    Suggestion,
    doubt,
    features_of,
    next_scans,
    next_slices,
    scan_doubt,
)
from medlib.assist.clicks import box_around, outline
from medlib.assist.measures import longest_line
from medlib.assist.scribbles import grow
from medlib.assist.tidy import fill_holes, keep_largest, remove_islands, smooth

__all__ = [
    "SliceSuggestion",
    "Suggestion",
    "box_around",
    "doubt",
    "features_of",
    "fill_between",
    "fill_holes",
    "grow",
    "keep_largest",
    "longest_line",
    "next_scans",
    "next_slices",
    "outline",
    "remove_islands",
    "scan_doubt",
    "smooth",
]
