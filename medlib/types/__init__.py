"""What a value is: the kinds of medical data, and dispatch on them.

Every kind is a small frozen class that knows what it is and where it is. None is a tensor
subclass: the tensor inside, ``value.data``, is plain PyTorch.
"""

from medlib.types.answers import Answer, Categories, Category, Measurement
from medlib.types.dispatch import Verb, verb
from medlib.types.gridded import (
    SCAN_KINDS,
    CTVolume,
    Gridded,
    Kind,
    Mask,
    MRVolume,
    MultiVolume,
    PETVolume,
    Probabilities,
    Radiograph,
    UltrasoundVolume,
    Volume,
)
from medlib.types.labels import Code, Label, Labels
from medlib.types.shapes import Boxes, Contours, PointCloud, Points, Shape

__all__ = [
    "SCAN_KINDS",
    "Answer",
    "Boxes",
    "CTVolume",
    "Categories",
    "Category",
    "Code",
    "Contours",
    "Gridded",
    "Kind",
    "Label",
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
    "Shape",
    "UltrasoundVolume",
    "Verb",
    "Volume",
    "verb",
]
