"""What a value is: the kinds of medical data, and dispatch on them.

Every kind is a small frozen class that knows what it is and where it is. None is a tensor
subclass: the tensor inside, ``value.data``, is plain PyTorch.
"""

from medlib.types.answers import Answer, Belief, Categories, Category, Measurement
from medlib.types.arrays import to_numpy
from medlib.types.describing import describe
from medlib.types.dispatch import Verb, verb
from medlib.types.gridded import (
    SCAN_KINDS,
    CTVolume,
    Gridded,
    Kind,
    MRVolume,
    MultiVolume,
    PETVolume,
    Radiograph,
    Reference,
    UltrasoundVolume,
    Volume,
    must_be_numbers,
)
from medlib.types.labels import Code, Label, Labels
from medlib.types.masks import Mask, Probabilities
from medlib.types.measuring import measure
from medlib.types.naming import names_of, sided_names, sided_pairs, swap_sides
from medlib.types.shapes import Boxes, Contours, PointCloud, Points, Shape

__all__ = [
    "SCAN_KINDS",
    "Answer",
    "Belief",
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
    "Reference",
    "Shape",
    "UltrasoundVolume",
    "Verb",
    "Volume",
    "describe",
    "measure",
    "must_be_numbers",
    "names_of",
    "sided_names",
    "sided_pairs",
    "swap_sides",
    "to_numpy",
    "verb",
]
