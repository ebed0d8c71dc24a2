"""A task that a tiny network learns in seconds, on one thread."""

from collections.abc import Callable
from functools import partial

import pytest
from tiny import write_task
from tiny_learner import tiny_data, tiny_learner

from medlib.data import Datasets
from medlib.train import Learner


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Datasets:
    return tiny_data(write_task(tmp_path_factory.mktemp("task"), 6))


@pytest.fixture
def learner(data: Datasets) -> Callable[..., Learner]:
    """``learner(**arguments)``: a new one each time, always with the same first weights."""
    return partial(tiny_learner, data)
