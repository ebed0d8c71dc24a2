"""The next batch is made ready while the last one is learned from."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def ahead(values: Iterator[T]) -> Iterator[T]:
    """The same values in the same order, each made by a thread while the one before is in use.

    Args:
        values: what goes wrong in making one is raised where it would have been given.

    Example:
        >>> list(ahead(iter("abc")))
        ['a', 'b', 'c']
    """
    end = object()
    mine = torch.get_num_threads()
    with ThreadPoolExecutor(1, "medlib-ahead", torch.set_num_threads, (1,)) as thread:
        thread.submit(torch.get_num_threads).result()
        torch.set_num_threads(mine)  # of the threads that are begun later
        following = thread.submit(next, values, end)
        while True:
            value = following.result()
            if value is end:
                return
            following = thread.submit(next, values, end)
            yield value  # type: ignore[misc]
