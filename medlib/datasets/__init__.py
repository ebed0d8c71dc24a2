"""Data sets: cards that say what they are, and the two ways to have one: fetch it or make it."""

from medlib.datasets.cards import Card, available, card
from medlib.datasets.making import make
from medlib.datasets.prepared import Prepared

__all__ = ["Card", "Prepared", "available", "card", "make"]
