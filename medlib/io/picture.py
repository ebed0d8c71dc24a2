"""Radiographs and their label maps as plain pictures: grey PNG and JPEG, as public data have them.

A picture says nothing of the patient: no millimetres, no sides, not whose it is. (A density in
dots an inch is for printing.) All that is said of it elsewhere is for
:func:`medlib.io.projection.stated`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medlib.io.files import File, UnreadableError
from medlib.io.projection import UNSIDED, UNSIZED, flat_grid
from medlib.io.stack import Stack, narrowest
from medlib.types import Radiograph, Volume

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
_GREY = {"L", "I;16", "I;16B", "I"}
_MAYBE_GREY = {"LA", "RGB", "RGBA"}  # many grey pictures are stored so
_ORIENTATION = 0x0112  # EXIF


@dataclass(frozen=True, kw_only=True)
class PictureStack(Stack):
    """A radiograph in a picture file."""

    @property
    def source(self) -> Literal["picture"]:
        """Always ``"picture"``."""
        return "picture"

    def _voxels(self, kind: type[Volume]) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
        (file,) = self.files
        with _opened(file) as picture:
            return narrowest(_grey(picture, file.name)[None]), ()


def is_picture(name: str) -> bool:
    """Whether a file of this name should be a PNG or JPEG."""
    return name.lower().endswith(SUFFIXES)


def read_stack(file: File) -> PictureStack:
    """The radiograph in a picture file, from its header alone.

    Raises:
        UnreadableError: when it is damaged, or has colours.
    """
    with _opened(file) as picture:
        if picture.mode not in _GREY | _MAYBE_GREY:
            raise UnreadableError(f"{file.name} is a picture in colours, and not a radiograph")
        turned = picture.getexif().get(_ORIENTATION, 1)
        size = picture.size if turned < 5 else picture.size[::-1]
    name = PurePath(file.name).stem
    repairs = ("turned upright, as its EXIF orientation says",) if turned > 1 else ()
    return PictureStack(
        name=name,
        files=(file,),
        kind=Radiograph,
        grid=flat_grid((size[1], size[0]), (1.0, 1.0)),
        patient=name,
        study=name,
        warnings=(UNSIZED, UNSIDED),
        repairs=repairs,
        calibration="none",
    )


def read_label_picture(file: File) -> np.ndarray[Any, Any]:
    """The ids in a picture of labels, (1, 1, row, column): grey values, or numbers in a palette.

    Raises:
        UnreadableError: when it is damaged, has colours, or is a JPEG, which changes values.
    """
    if not file.name.lower().endswith(".png"):
        raise UnreadableError(
            f"{file.name}: JPEG changes the values of pixels, so that ids are lost; save it as PNG"
        )
    with _opened(file) as picture:
        palette = picture.mode in {"P", "1"}
        ids = np.asarray(picture) if palette else _grey(picture, file.name)
    return ids.astype(np.uint8 if ids.max(initial=0) < 256 else np.int32)[None, None]


@contextmanager
def _opened(file: File) -> Iterator[Image]:
    """A picture, opened.

    Raises:
        UnreadableError: when that, or what is done with it, fails.
    """
    from PIL import Image

    try:
        with file.open() as stream, Image.open(stream, formats=("PNG", "JPEG")) as picture:
            yield picture
    except UnreadableError:
        raise
    except Exception as error:  # a damaged picture may raise almost anything
        raise UnreadableError(f"{file.name} is no readable PNG or JPEG picture") from error


def _grey(picture: Image, name: str) -> np.ndarray[Any, Any]:
    """Its values, (row, column), whichever way up it is to be looked at.

    Raises:
        UnreadableError: when its colours differ, or parts of it are transparent.
    """
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    values = np.asarray(upright)
    if upright.mode in _GREY:
        return values
    if upright.mode not in _MAYBE_GREY:
        raise UnreadableError(f"{name} is a picture in colours: {upright.mode}")
    see_through = upright.mode.endswith("A") and int(values[..., -1].min()) < 255
    colours = values[..., : 3 if upright.mode.startswith("RGB") else 1]
    if see_through or (colours != colours[..., :1]).any():
        raise UnreadableError(
            f"{name} is a picture in colours or with transparent parts, and so no radiograph; "
            "export it as a grey picture"
        )
    grey: np.ndarray[Any, Any] = colours[..., 0]
    return grey
