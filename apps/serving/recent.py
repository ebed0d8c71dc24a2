"""The last few things that were made, so that they are not made again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Recent(Generic[Key, Made]):
    """Remembers the things that were asked for last.

    Args:
        most: how many.

    Example:
        >>> squares: Recent[int, int] = Recent(2)
        >>> squares.get(3, lambda: 9), squares.get(3, lambda: 0)
        (9, 9)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Made] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Made]) -> Made:
        """What was made for this key; once, however many ask."""
        with self._lock:
            if key not in self._kept:
                self._put(key, make())
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: Key, value: Made) -> None:
        """Remember what was made elsewhere."""
        with self._lock:
            self._put(key, value)

    def _put(self, key: Key, value: Made) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
