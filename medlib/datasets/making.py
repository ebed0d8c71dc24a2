"""Running the recipe of a data set that is drawn."""

from __future__ import annotations

import tomllib
from pathlib import Path

from medlib.datasets import phantom
from medlib.datasets.cards import card
from medlib.datasets.prepared import Prepared, Progress, data_home, finish, fresh_folder


def make(
    name: str,
    to: str | Path | None = None,
    *,
    seed: int | None = None,
    studies: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Draw a data set; the same seed draws the same voxels.

    Args:
        name: of a card with a recipe.
        to: the folder that is to become the data set. Left out: below ``MEDLIB_DATA``, or the
            user's data folder.
        seed: another than the recipe's.
        studies: how many, other than the recipe says.
        progress: told of each finished study.

    Raises:
        KeyError: when there is no such data set.
        ValueError: when the data set is not drawn but downloaded, or ``studies`` is below one.
        FileExistsError: when ``to`` is not empty.
    """
    found = card(name)
    if not found.recipe:
        raise ValueError(f"{name} is not made but fetched: use medlib.datasets.get({name!r})")
    changes = {k: v for k, v in {"seed": seed, "studies": studies}.items() if v is not None}
    with (found.folder / found.recipe).open("rb") as file:
        recipe = phantom.Recipe.model_validate(tomllib.load(file) | changes)
    target = data_home() / name if to is None else Path(to)
    with fresh_folder(target) as folder:
        cases = phantom.write_archive(recipe, found.table, folder, progress=progress)
        finish(folder, found, cases)
    return Prepared.read(target)
