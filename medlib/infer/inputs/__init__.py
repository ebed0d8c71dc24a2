"""What a network is shown: each input turns a value of its kind into channels."""

from medlib.infer.inputs.answers import MeasurementInput, WordsInput
from medlib.infer.inputs.base import Input, shown
from medlib.infer.inputs.gridded import MaskInput, MultiVolumeInput, VolumeInput
from medlib.infer.inputs.places import BoxesInput, PointsInput

INPUTS: tuple[type[Input], ...] = (
    *(VolumeInput, MultiVolumeInput, MaskInput, PointsInput, BoxesInput),
    *(MeasurementInput, WordsInput),
)
"""What a model file may ask for."""

__all__ = [
    "INPUTS",
    "BoxesInput",
    "Input",
    "MaskInput",
    "MeasurementInput",
    "MultiVolumeInput",
    "PointsInput",
    "VolumeInput",
    "WordsInput",
    "shown",
]
