"""All studies of a recipe, drawn by a few processes side by side."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from medlib.datasets.phantom.recipe import Recipe
from medlib.datasets.phantom.study import Plan, draw
from medlib.datasets.phantom.write import write_images, write_labels
from medlib.datasets.prepared import Progress
from medlib.types import Labels


def write_archive(
    recipe: Recipe,
    labels: Labels,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Write ``images/<study>/`` and ``labels/<study>.dcm`` for each study of a recipe.

    Args:
        recipe: what to draw.
        labels: the ids and codes of the structures.
        folder: an empty folder.
        workers: processes; left out, one a core (at most 8). With one, all happens here.
        progress: told of each finished study.

    Returns:
        The studies' names.
    """
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    plans = [Plan(number) for number in range(1, recipe.studies + 1)]
    # The largest first, so that no process is left alone with one at the end.
    order = sorted(plans, key=lambda plan: not plan.large)
    count = min(workers or min(os.cpu_count() or 1, 8), len(plans))
    for done, name in enumerate(_written(order, recipe, labels, folder, count), start=1):
        if progress is not None:
            progress(done, len(plans), f"drew {name}")
    return tuple(plan.name for plan in plans)


def _written(
    plans: list[Plan], recipe: Recipe, labels: Labels, folder: Path, workers: int
) -> Iterator[str]:
    if workers == 1:
        yield from (write_study(plan, recipe, labels, folder) for plan in plans)
        return
    # Spawned, for torch's threads do not survive a fork; one thread each, for the cores are taken.
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(1,),
    ) as pool:
        waiting = [pool.submit(write_study, plan, recipe, labels, folder) for plan in plans]
        try:
            yield from (future.result() for future in as_completed(waiting))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_study(plan: Plan, recipe: Recipe, labels: Labels, folder: Path) -> str:
    """Draw one study and write it; returns its name."""
    ids = {label.name: label.id for label in labels}
    study = draw(plan, recipe, ids)
    images = folder / "images" / plan.name
    write_images(study, plan, seed=recipe.seed, folder=images)
    path = folder / "labels" / f"{plan.name}.dcm"
    write_labels(study, plan, labels, seed=recipe.seed, images=images, path=path)
    return plan.name
