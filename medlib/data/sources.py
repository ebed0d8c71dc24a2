"""Sources: cases from the layouts in which data sets lie on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medlib import io
from medlib.data.cases import Case, Pairing, case_of, few, natural
from medlib.data.label_table import read_table
from medlib.data.series import check_together
from medlib.datasets import Prepared
from medlib.io.nifti import stem
from medlib.types import Labels

_SAME_MM = 0.01  # NIfTI's float32 affines and DICOM's decimal strings round below this


def from_nnunet(folder: str | Path) -> Pairing:
    """The cases of a raw data set in nnU-Net's layout (version 2; Isensee et al. 2021).

    ``imagesTr/case_0000.nii.gz``, ``case_0001.nii.gz``, … are the series of a case, called as
    ``channel_names`` in ``dataset.json`` says; ``labelsTr/case.nii.gz`` is its label map, in which
    the label ``ignore`` marks what nobody looked at. Cases of ``imagesTs`` and ``labelsTs`` are
    the test. nnU-Net's own split is followed by :func:`medlib.data.listed`.

    Raises:
        FileNotFoundError: when there is no ``dataset.json``.
        ValueError: when it cannot be read, or no case can be used, with the reasons.
    """
    folder = Path(folder).resolve()
    said = _dataset_json(folder)
    named = said.get("channel_names") or said.get("modality")
    if not isinstance(named, Mapping) or not named:
        raise ValueError(f"{folder / 'dataset.json'} does not name the channels (channel_names)")
    channels = {str(name): int(number) for number, name in named.items()}
    ending = str(said.get("file_ending", ".nii.gz"))
    found = Found(read_table(folder / "dataset.json"))

    def look(images: Path, labels: Path) -> list[Case]:
        paths = [path for path in images.glob(f"*{ending}") if not path.name.startswith(".")]
        ids = {path.name.removesuffix(ending).rpartition("_")[0] for path in paths}
        ids |= {path.name.removesuffix(ending) for path in labels.glob(f"*{ending}")}
        series = {
            case: {c: images / f"{case}_{n:04d}{ending}" for c, n in channels.items()}
            for case in ids
        }
        return found.cases((case, series[case], labels / f"{case}{ending}", {}) for case in ids)

    train = look(folder / "imagesTr", folder / "labelsTr")
    tested = folder / "labelsTs"
    test = look(folder / "imagesTs", tested) if tested.is_dir() else []
    return found.pairing(train, test, folder)


def from_msd(folder: str | Path) -> Pairing:
    """The cases of a task in the Medical Segmentation Decathlon's layout (Antonelli et al. 2022).

    ``dataset.json`` lists the images and labels under ``training``. Its test images have no labels
    and are left out. Images of several channels in one file are set aside.

    Raises:
        FileNotFoundError: when there is no ``dataset.json``.
        ValueError: when it cannot be read, or no case can be used, with the reasons.
    """
    folder = Path(folder).resolve()
    rows = _dataset_json(folder).get("training")
    try:
        pairs = [(folder / str(row["image"]), folder / str(row["label"])) for row in rows or ()]
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"{folder / 'dataset.json'}: 'training' is no list of images and labels"
        ) from error
    found = Found(read_table(folder / "dataset.json"))
    cases = found.cases((stem(image.name), {"": image}, label, {}) for image, label in pairs)
    return found.pairing(cases, [], folder)


def from_card(prepared: Prepared) -> Pairing:
    """The cases of a data set that :func:`medlib.datasets.get` or ``make`` has brought.

    Its own split is kept: cases to choose a model by are marked ``valid`` (see
    :func:`medlib.data.as_marked`), those to be tested on are the test. For classification the
    answer is called ``class``.

    Raises:
        ValueError: when no case can be used, with the reasons.
    """
    classes = prepared.classes() if prepared.card.task == "classification" else None
    found = Found(Labels(()) if classes is not None else prepared.card.table)

    def look(names: Sequence[str], split: str) -> list[Case]:
        return found.cases(
            (
                name,
                {"": prepared.image(name)},
                None if classes is not None else prepared.label(name),
                {"split": split, "answers": {"class": classes[name]} if classes else {}},
            )
            for name in names
        )

    learned = look(prepared.train, "train" if prepared.validation else "")
    return found.pairing(
        learned + look(prepared.validation, "valid"), look(prepared.test, ""), prepared.folder
    )


Row = tuple[str, Mapping[str, Path], Path | None, Mapping[str, Any]]
"""A case's name, its images by series, its label file, and further fields."""


@dataclass
class Found:
    """What has been met so far in a source."""

    labels: Labels
    set_aside: list[tuple[str, str]] = field(default_factory=list)

    def cases(self, rows: Iterable[Row]) -> list[Case]:
        """The cases that can be used; the others are set aside, each with the reason."""
        found = []
        for name, images, label, more in sorted(rows, key=lambda row: natural(row[0])):
            try:
                found.append(_case(name, images, label, more))
            except (ValueError, OSError) as error:
                self.set_aside.append((name, str(error)))
        return found

    def pairing(self, cases: Sequence[Case], test: Sequence[Case], source: Path) -> Pairing:
        """All that was found.

        Raises:
            ValueError: when no case can be used.
        """
        if not cases:
            why = few([f"{name}: {reason}" for name, reason in self.set_aside])
            raise ValueError(f"no case in {source} can be used: {why}")
        return Pairing(tuple(cases), self.labels, tuple(self.set_aside), tuple(test))


def _case(
    name: str, images: Mapping[str, Path], label: Path | None, more: Mapping[str, Any]
) -> Case:
    series = {which: _stack(path) for which, path in images.items()}
    scan, *others = series.values()
    for which, other in zip(list(series)[1:], others, strict=True):
        if done := check_together(other, scan):
            series[which] = replace(other, repairs=(*other.repairs, done))
    if label is not None:
        _check_label(label, scan)
    several = {"series": series} if len(series) > 1 else {}
    return replace(case_of(name, scan, label), **(several | dict(more)))


def _stack(path: Path) -> io.Stack:
    found = io.survey(path)
    lost = [refusal.reason for refusal in found.refusals if not refusal.aside]
    if len(found.stacks) != 1 or lost:
        raise ValueError(
            "; ".join(lost[:2]) or f"{path.name} holds {len(found.stacks)} volumes, not one"
        )
    return found.stacks[0]


def _check_label(path: Path, scan: io.Stack) -> None:
    """Refuse a label file whose header says that it is damaged, or lies elsewhere than its scan."""
    found = io.survey(path)
    if found.refusals or len(found.stacks) + len(found.segmentations) != 1:
        reasons = (refusal.reason for refusal in found.refusals)
        raise ValueError(next(reasons, f"{path.name} is no label file"))
    for stack in found.stacks:
        if stack.source == "picture":  # it lies nowhere; its pixels are those of its radiograph
            if stack.grid.shape != scan.grid.shape:
                raise ValueError(f"{path.name} has another size than its radiograph")
            continue
        turned = stack.grid.reoriented(scan.grid.orientation)
        if not turned.close_to(scan.grid, tolerance_mm=_SAME_MM):
            raise ValueError(
                f"{path.name} lies on another grid than its scan: {turned.difference(scan.grid)}"
            )


def _dataset_json(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(said, dict):
        raise ValueError(f"{path} is no description of a data set")
    return said
