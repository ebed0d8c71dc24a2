"""A few kills of what ``tests/torture/browser.py`` does twenty times."""

import pytest
from browsers import CHROMIUM
from oracles import oracle

oracle("playwright.sync_api")
oracle("streamlit")
oracle("nibabel")

from torture.browser import torment, which  # noqa: E402

pytestmark = pytest.mark.system


@pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium")
def test_a_browser_that_is_killed_loses_nothing_that_was_saved(tmp_path):
    rows = torment(tmp_path, kills=3)
    assert len(rows) == 3
    last = rows[-1]  # died when a stroke lay in its own store
    assert (last.strokes, last.offered, last.back) == (1, True, 1)


def test_half_a_stroke_and_a_lost_one_are_found_out():
    saved, painted = frozenset(range(20)), frozenset(range(40))
    assert which(saved, [saved, painted], 20) == 0
    assert which(painted, [saved, painted], 20) == 1
    assert which(frozenset(range(60)), [saved, painted], 20) == 2
    for lost in (frozenset(range(30)), frozenset(range(10)), frozenset(range(50)), frozenset()):
        with pytest.raises(AssertionError):
            which(lost, [saved, painted], 20)
