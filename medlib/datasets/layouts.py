"""Finding a data set's cases in a folder, by the layouts its card knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medlib.datasets.cards import Card, Layout


class LayoutError(ValueError):
    """A folder does not hold what the card says; the message says what is amiss."""


@dataclass(frozen=True)
class Case:
    """One case where its owners put it.

    Args:
        name: the part of the path that ``{case}`` stands for.
        image: a file, or a folder.
        label: likewise.
    """

    name: str
    image: Path
    label: Path


def find_cases(card: Card, source: Path) -> tuple[Layout, tuple[Case, ...]]:
    """The cases below ``source``, and the layout in which they lie.

    ``source`` may be the folder that the layout describes, the one above, or one of its parts.

    Raises:
        FileNotFoundError: when there is no such folder.
        LayoutError: when no layout fits, or an image lacks its label or a label its image.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"there is no folder {source}")
    source = source.resolve()
    for root in (source, *sorted(_subfolders(source)), source.parent):
        for layout in card.layouts:
            images = dict(_matches(layout.images, root, source))
            labels = dict(_matches(layout.labels, root, source))
            if not images or not labels:
                continue
            _check_pairs(card, images, labels)
            return layout, tuple(Case(n, images[n], labels[n]) for n in sorted(images))
    wanted = "; ".join(f"{x.images} with {x.labels} ({x.name})" for x in card.layouts)
    raise LayoutError(f"{source.name} does not hold {card.name} as its card describes it: {wanted}")


def _check_pairs(card: Card, images: dict[str, Path], labels: dict[str, Path]) -> None:
    for what, lonely in (
        ("images without labels", sorted(images.keys() - labels.keys())),
        ("labels without images", sorted(labels.keys() - images.keys())),
    ):
        if lonely:
            names = ", ".join(lonely[:5]) + (" …" if len(lonely) > 5 else "")
            raise LayoutError(f"{card.name}: {len(lonely)} {what}: {names}")
    if len(images) > card.cases:
        raise LayoutError(
            f"{card.name}: {len(images)} cases, but the whole set has {card.cases}: "
            "something else lies in this folder too"
        )


def _subfolders(folder: Path) -> Iterator[Path]:
    return (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _matches(pattern: str, root: Path, source: Path) -> Iterator[tuple[str, Path]]:
    """Paths that a pattern describes, with their cases; hidden files (macOS leaves some) are not."""
    case = r"(?P<case>[^/.][^/]*)"
    form = re.compile(re.escape(pattern).replace(re.escape("{case}"), case))
    for path in root.glob(pattern.replace("{case}", "*")):
        found = form.fullmatch(path.relative_to(root).as_posix())
        if found and path.is_relative_to(source):
            yield found.groupdict().get("case", path.stem), path
