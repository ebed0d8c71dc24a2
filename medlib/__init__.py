"""Deep learning on 3-D medical images, for people who know the field.

The names here are loaded when they are first used, so that ``import medlib`` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from medlib._version import __version__

if TYPE_CHECKING:
    from medlib.io import read_mask, read_volume, save, survey, write_nifti, write_seg
    from medlib.package import load
    from medlib.pictures import show
    from medlib.tasks import (
        Task,
        classifier,
        detector,
        landmarks,
        regressor,
        segmenter,
        task,
    )
    from medlib.transforms import crop, resample
    from medlib.types import (
        Belief,
        Boxes,
        Categories,
        Category,
        Contours,
        CTVolume,
        Labels,
        Mask,
        Measurement,
        MRVolume,
        MultiVolume,
        PETVolume,
        PointCloud,
        Points,
        Probabilities,
        Radiograph,
        UltrasoundVolume,
        Volume,
        describe,
        measure,
        to_numpy,
    )

_HOMES = {
    "medlib.io": ("read_mask", "read_volume", "save", "survey", "write_nifti", "write_seg"),
    "medlib.tasks": (
        *("Task", "classifier", "detector", "landmarks", "regressor", "segmenter", "task"),
    ),
    "medlib.package": ("load",),
    "medlib.pictures": ("show",),
    "medlib.transforms": ("crop", "resample"),
    "medlib.types": (
        *("Belief", "Boxes", "CTVolume", "Categories", "Category", "Contours", "Labels"),
        *(
            "MRVolume",
            "Mask",
            "Measurement",
            "MultiVolume",
            "PETVolume",
            "PointCloud",
            "Points",
            "Probabilities",
        ),
        *("Radiograph", "UltrasoundVolume", "Volume", "describe", "measure", "to_numpy"),
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Belief",
    "Boxes",
    "CTVolume",
    "Categories",
    "Category",
    "Contours",
    "Labels",
    "MRVolume",
    "Mask",
    "Measurement",
    "MultiVolume",
    "PETVolume",
    "PointCloud",
    "Points",
    "Probabilities",
    "Radiograph",
    "Task",
    "UltrasoundVolume",
    "Volume",
    "__version__",
    "classifier",
    "crop",
    "describe",
    "detector",
    "landmarks",
    "load",
    "measure",
    "read_mask",
    "read_volume",
    "regressor",
    "resample",
    "save",
    "segmenter",
    "show",
    "survey",
    "task",
    "to_numpy",
    "write_nifti",
    "write_seg",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'medlib' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
