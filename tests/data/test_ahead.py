"""Batches made ahead are the batches that would have been made."""

import gc
import threading
import time

import pytest
import torch

from medlib.data.ahead import ahead


def test_order_and_end_are_kept():
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([]))) == []
    assert list(ahead(iter([None, None]))) == [None, None]


def test_what_goes_wrong_is_raised_where_it_would_have_been():
    def values():
        yield 1
        raise ValueError("scan 7 cannot be read")

    found = ahead(values())
    assert next(found) == 1
    with pytest.raises(ValueError, match="scan 7"):
        next(found)


def test_one_is_made_while_the_other_is_in_use_and_no_more():
    made = []

    def values():
        for number in range(100):
            made.append(number)
            yield number

    found = ahead(values())
    assert next(found) == 0
    time.sleep(0.1)
    assert made == [0, 1]


def test_no_thread_is_left_behind():
    def endless():
        while True:
            yield 1

    found = ahead(endless())
    next(found)
    found.close()
    del found
    gc.collect()
    assert not [t for t in threading.enumerate() if t.name.startswith("medlib-ahead")]


def test_the_callers_threads_stay_as_they_were():
    before = torch.get_num_threads()
    found = ahead(iter(range(3)))
    next(found)
    assert torch.get_num_threads() == before
    list(found)
    assert torch.get_num_threads() == before
