"""Bringing a data set from its owners, or from a folder, into the one layout."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

from medlib.datasets.cards import Card, card
from medlib.datasets.converting import arrange
from medlib.datasets.download import DownloadError, download, unpack
from medlib.datasets.layouts import LayoutError, find_cases
from medlib.datasets.prepared import Prepared, Progress, data_home, finish, fresh_folder


def get(
    name: str,
    to: str | Path | None = None,
    *,
    source: str | Path | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Have a data set: download it, or take it from a folder.

    Every label file is read: it must lie on its image's grid and hold only ids that the card
    knows. A data set that is there already is not fetched again.

    Args:
        name: of a card.
        to: the folder that is to become the data set. Left out: below ``MEDLIB_DATA``, or the
            user's data folder.
        source: a folder that holds the owners' files, unpacked; they are linked to where the
            system can, else copied, and stay as they are. Left out: they are downloaded.
        progress: told of bytes, then of cases.

    Raises:
        KeyError: when there is no such data set.
        ValueError: when the data set is not downloaded but made.
        DownloadError: when it cannot be fetched, or no checksum is known.
        LayoutError: when what is there is not what the card says.
        FileExistsError: when ``to`` holds something else.
    """
    found = card(name)
    if found.recipe:
        raise ValueError(f"{name} is not fetched but made: use medlib.datasets.make({name!r})")
    target = data_home() / name if to is None else Path(to)
    if (there := _already(target, found)) is not None:
        return there
    with fresh_folder(target) as folder:
        if source is None:
            cases = _downloaded(found, folder, progress)
        else:
            cases = _arranged(found, Path(source), folder, _link, progress)
            if len(cases) < found.cases:
                warnings.warn(
                    f"{name}: a part of the data set, {len(cases)} of {found.cases} cases",
                    stacklevel=2,
                )
        finish(folder, found, cases)
    return Prepared.read(target)


def _already(target: Path, wanted: Card) -> Prepared | None:
    try:
        there = Prepared.read(target)
    except FileNotFoundError:
        return None
    if there.card.name != wanted.name:
        raise FileExistsError(f"{target} holds the data set {there.card.name}, not {wanted.name}")
    return there


def _downloaded(wanted: Card, folder: Path, progress: Progress | None) -> tuple[str, ...]:
    if not wanted.downloads:
        raise DownloadError(
            f"the owners of {wanted.name} offer no fixed address to download it from. Fetch it "
            f"yourself from {wanted.whence}, and give its folder as the source."
        )
    packed, unpacked = folder / "packed", folder / "unpacked"
    packed.mkdir()
    unpacked.mkdir()
    for part in wanted.downloads:
        unpack(download(part, packed, progress=progress), unpacked)
    cases = _arranged(wanted, unpacked, folder, shutil.move, progress)
    if len(cases) != wanted.cases:
        raise LayoutError(f"{wanted.name}: {len(cases)} cases came, not {wanted.cases}")
    shutil.rmtree(packed)
    shutil.rmtree(unpacked)
    return cases


def _arranged(
    wanted: Card,
    source: Path,
    folder: Path,
    place: Callable[[Path, Path], object],
    progress: Progress | None,
) -> tuple[str, ...]:
    layout, cases = find_cases(wanted, source)
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    return arrange(wanted, layout, cases, folder, place=place, progress=progress)


def _link(origin: Path, to: Path) -> None:
    """A link to a file, or a copy where the system or the user's rights allow no links."""
    try:
        to.symlink_to(origin.resolve())
    except OSError:
        shutil.copyfile(origin, to)
