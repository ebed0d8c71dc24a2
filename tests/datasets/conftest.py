"""A phantom archive small enough to draw for tests."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from medlib.datasets import card
from medlib.datasets.phantom import Recipe, write_archive

CARD = card("ct_phantom")


def _small_recipe(**changes: object) -> Recipe:
    """The shipped recipe, at a third of its resolution."""
    values = tomllib.loads((CARD.folder / CARD.recipe).read_text(encoding="utf-8"))
    values["scan"] |= {
        "rows": [80],
        "large_rows": 96,
        "slice_mm": [8.0, 9.0],
        "slices": [20, 32],
    }
    return Recipe.model_validate(values | {"studies": 5} | changes)


@pytest.fixture(scope="session")
def small_recipe() -> Callable[..., Recipe]:
    """``small_recipe(**changes)``."""
    return _small_recipe


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five small studies: among them an oblique, a feet-first and a shuffled one."""
    folder = tmp_path_factory.mktemp("phantom")
    write_archive(_small_recipe(), CARD.table, folder, workers=1)
    return folder
