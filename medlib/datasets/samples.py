"""A few small scans of a made-up data set, quick to draw: something to try things on."""

from __future__ import annotations

import tomllib
from pathlib import Path

from medlib.datasets import phantom
from medlib.datasets.cards import card
from medlib.datasets.prepared import Prepared, Progress, finish, fresh_folder

_SMALL = {"rows": [128], "large_rows": 128, "slice_mm": [5.0, 6.0], "slices": [36, 46]}


def samples(to: str | Path, *, studies: int = 8, progress: Progress | None = None) -> Prepared:
    """Draw abdominal CT studies of patients who do not exist, in about a second each.

    They are those of the data set ``ct_phantom``, on coarser grids. One process draws them, so
    that a server may.

    Args:
        to: the folder that is to become the data set.
        studies: how many.
        progress: told of each finished study.

    Raises:
        FileExistsError: when ``to`` is not empty.
    """
    found = card("ct_phantom")
    values = tomllib.loads((found.folder / found.recipe).read_text(encoding="utf-8"))
    values["scan"] |= _SMALL
    recipe = phantom.Recipe.model_validate(values | {"studies": studies})
    with fresh_folder(Path(to)) as folder:
        finish(
            folder,
            found,
            phantom.write_archive(recipe, found.table, folder, workers=1, progress=progress),
        )
    return Prepared.read(Path(to))
