"""A few seconds of what ``tests/torture/annotators.py`` does for minutes."""

import pytest
from torture.annotators import torment


@pytest.mark.system
def test_twenty_who_save_at_once_lose_nothing(tmp_path, address):
    seen = torment(tmp_path, address, seconds=6, kills=1, least=30)
    assert len(seen.kept) >= 30
    assert seen.statuses[409] > 0, "nobody met anybody: nothing was tried"
