"""Tests that share a server run one after another in one process: in two there would be two servers."""

import os

import pytest


@pytest.mark.xdist_group("together")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="all tests run in one process")
def test_a_group_is_known_to_whoever_deals_tests_out(request):
    assert request.node.nodeid.endswith("@together")
