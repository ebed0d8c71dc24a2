"""What a value is: the kinds of medical data, and dispatch on them.

Every kind is a small frozen class that holds a tensor and knows where it is. None is a tensor
subclass: the tensor inside, ``value.data``, is plain PyTorch.
"""

from medlib.types.dispatch import Verb, verb
from medlib.types.kinds import (
    SCAN_KINDS,
    Category,
    CTVolume,
    Kind,
    Mask,
    MRVolume,
    PETVolume,
    Points,
    Probabilities,
    Volume,
)
from medlib.types.labels import Code, Label, Labels

__all__ = [
    "SCAN_KINDS",
    "CTVolume",
    "Category",
    "Code",
    "Kind",
    "Label",
    "Labels",
    "MRVolume",
    "Mask",
    "PETVolume",
    "Points",
    "Probabilities",
    "Verb",
    "Volume",
    "verb",
]
