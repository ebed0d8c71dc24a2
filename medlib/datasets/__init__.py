"""Data sets: cards that say what they are, and two ways to have one: :func:`get` or :func:`make`."""

from medlib.datasets.cards import Card, available, card
from medlib.datasets.download import DownloadError
from medlib.datasets.getting import get
from medlib.datasets.layouts import LayoutError
from medlib.datasets.making import make
from medlib.datasets.prepared import Prepared
from medlib.datasets.samples import samples

__all__ = [
    "Card",
    "DownloadError",
    "LayoutError",
    "Prepared",
    "available",
    "card",
    "get",
    "make",
    "samples",
]
