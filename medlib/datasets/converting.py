"""From the ways in which owners store labels to one file a case."""

from __future__ import annotations

import csv
import fnmatch
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medlib._version import __version__
from medlib.datasets.cards import Card, Layout
from medlib.datasets.layouts import Case, LayoutError
from medlib.datasets.prepared import CLASSES_FILE, Progress
from medlib.space import Grid
from medlib.types import Mask, Volume

Place = Callable[[Path, Path], object]


@dataclass(frozen=True)
class _Task:
    """A case on its way: from where it is into ``folder``."""

    card: Card
    case: Case
    folder: Path
    place: Place

    @property
    def label_path(self) -> Path:
        return self.folder / "labels" / f"{self.case.name}.dcm"

    def place_image(self) -> Path:
        """The image in its new place; of a folder, every file that is not hidden."""
        origin = self.case.image
        if not origin.is_dir():
            to = self.folder / "images" / (self.case.name + "".join(origin.suffixes[-2:]))
            self.place(origin, to)
            return to
        to = self.folder / "images" / self.case.name
        to.mkdir()
        for file in sorted(origin.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                self.place(file, to / file.name)
        return to


def arrange(
    card: Card,
    layout: Layout,
    cases: Sequence[Case],
    folder: Path,
    *,
    place: Place,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Bring cases into ``folder/images`` and ``folder/labels``.

    Args:
        card: what the data set should be.
        layout: in which the cases were found.
        cases: where they are.
        folder: holds empty folders ``images`` and ``labels``.
        place: puts a file (first argument) in its new place (second).
        progress: told of each finished case.

    Returns:
        The names of the cases.

    Raises:
        LayoutError: when labels do not fit the card or their image.
    """
    if layout.form == "npz_classes":
        return _unpack_classes(card, cases, folder, progress)
    convert = {
        "file": _place_file,
        "png_slices": _join_slices,
        "series_per_structure": _join_structures,
    }[layout.form]
    for done, case in enumerate(cases, start=1):
        try:
            convert(_Task(card, case, folder, place))
        except ValueError as error:
            raise LayoutError(f"{card.name}, case {case.name}: {error}") from error
        if progress is not None:
            progress(done, len(cases), f"prepared {case.name}")
    return tuple(case.name for case in cases)


def _place_file(task: _Task) -> None:
    """Labels that are one file already: check them, and leave them as they are."""
    from medlib.io import read_mask, survey

    stacks = survey(task.case.image).stacks
    if len(stacks) != 1:
        raise LayoutError(f"{task.case.image.name} holds {len(stacks)} volumes, not one")
    read_mask(task.case.label, labels=task.card.table, on=stacks[0].grid)
    task.place_image()
    ending = "".join(task.case.label.suffixes[-2:])
    task.place(task.case.label, task.folder / "labels" / (task.case.name + ending))


def _join_slices(task: _Task) -> None:
    """One picture a slice, named like the slice's DICOM file; grey values stand for structures."""
    from PIL import Image

    from medlib.io import survey, write_seg

    (stack,) = survey(task.place_image()).stacks
    pictures = {p.stem: p for p in task.case.label.glob("[!.]*.png")}
    names = [Path(file.name).stem for file in stack.files]
    if sorted(names) != sorted(pictures):
        raise LayoutError(f"{len(pictures)} pictures of labels do not pair with the slices by name")
    grey = np.stack([np.asarray(Image.open(pictures[name])) for name in names])
    if grey.shape != stack.grid.shape:
        raise LayoutError(f"labels of {grey.shape} voxels against an image of {stack.grid.shape}")
    lookup = np.zeros(256, np.uint8)
    known = {0}
    for label in task.card.labels:
        values = [value for value in label.stored if isinstance(value, int)]
        lookup[values] = label.id
        known.update(values)
    if unknown := set(np.unique(grey).tolist()) - known:
        raise LayoutError(f"the grey values {sorted(unknown)} stand for no structure of the card")
    mask = Mask(torch.from_numpy(lookup[grey])[None], stack.grid, task.card.table)
    write_seg(mask, stack, task.label_path, **_made_by(task.card))


def _join_structures(task: _Task) -> None:
    """A folder a structure, each a DICOM series of zero and not zero; structures overlap."""
    from medlib.io import read_structures, survey, write_seg

    (stack,) = survey(task.place_image()).stacks
    found = read_structures(task.case.label, on=stack.grid)
    # The same layers, under the card's ids: several folders may be one structure to it.
    lookup = torch.zeros(max(found.labels.ids) + 1, dtype=torch.uint8)
    unnamed = []
    for label in found.labels:
        label_id = _stored_as(task.card, label.name)
        if label_id is None:
            unnamed.append(label.name)
        else:
            lookup[label.id] = label_id
    if unnamed:
        warnings.warn(
            f"{task.card.name}, case {task.case.name}: left out, for the card has no label for "
            f"them: {', '.join(unnamed)}",
            stacklevel=2,
        )
    mask = Mask(lookup[found.data.long()], stack.grid, task.card.table)
    write_seg(mask, stack, task.label_path, **_made_by(task.card))


def _stored_as(card: Card, name: str) -> int | None:
    for label in card.labels:
        if any(fnmatch.fnmatchcase(name, str(pattern)) for pattern in label.stored):
            return label.id
    return None


def _made_by(card: Card) -> dict[str, Any]:
    return {
        "algorithm_type": "MANUAL",
        "algorithm_name": f"{card.name}, as its owners drew it",
        "algorithm_version": __version__,
        "series_description": card.title[:64],
    }


def _unpack_classes(
    card: Card, cases: Sequence[Case], folder: Path, progress: Progress | None
) -> tuple[str, ...]:
    """Arrays ``<part>_images`` (case, slice, row, column) and ``<part>_labels`` (case, 1)."""
    from medlib.io import write_nifti

    rows: list[tuple[str, str]] = []
    with np.load(cases[0].image, allow_pickle=False) as arrays:
        for part in ("train", "val", "test"):
            images, numbers = arrays[f"{part}_images"], arrays[f"{part}_labels"].reshape(-1)
            if len(images) != len(numbers) or numbers.max() >= len(card.classes):
                raise LayoutError(f"{card.name}: the part {part!r} is not what the card describes")
            grid = Grid.from_axes(images.shape[1:])
            for index, (image, number) in enumerate(zip(images, numbers, strict=True)):
                name = f"{part}_{index:04d}"
                write_nifti(
                    Volume(torch.from_numpy(image)[None], grid),
                    folder / "images" / f"{name}.nii.gz",
                )
                rows.append((name, card.classes[int(number)]))
                if progress is not None:
                    progress(len(rows), card.cases, f"prepared {name}")
    with (folder / "labels" / CLASSES_FILE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("case", "class"), *rows])
    return tuple(name for name, _ in rows)
