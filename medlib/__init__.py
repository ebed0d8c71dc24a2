"""Deep learning on 3-D medical images, for people who know the field.

The names here are loaded when they are first used, so that ``import medlib`` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from medlib._version import __version__

if TYPE_CHECKING:
    from medlib.io import read_mask, read_volume, survey, write_nifti, write_seg
    from medlib.pictures import show
    from medlib.segmentation import Segmenter, load, segmenter
    from medlib.types import Category, CTVolume, Labels, Mask, MRVolume, PETVolume, Points, Volume

_HOMES = {
    "medlib.io": ("read_mask", "read_volume", "survey", "write_nifti", "write_seg"),
    "medlib.segmentation": ("Segmenter", "load", "segmenter"),
    "medlib.pictures": ("show",),
    "medlib.types": (
        *("CTVolume", "Category", "Labels", "MRVolume", "Mask", "PETVolume", "Points", "Volume"),
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CTVolume",
    "Category",
    "Labels",
    "MRVolume",
    "Mask",
    "PETVolume",
    "Points",
    "Segmenter",
    "Volume",
    "__version__",
    "load",
    "read_mask",
    "read_volume",
    "segmenter",
    "show",
    "survey",
    "write_nifti",
    "write_seg",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'medlib' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
