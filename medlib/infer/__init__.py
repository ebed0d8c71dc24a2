"""From a trained network to predictions on a scan's own grid."""

from medlib.infer.decoding import Shares, decode_mask
from medlib.infer.detecting import BoxesOutput, BoxMaps
from medlib.infer.inputs import (
    INPUTS,
    BoxesInput,
    Input,
    MaskInput,
    MeasurementInput,
    MultiVolumeInput,
    PointsInput,
    VolumeInput,
    WordsInput,
    shown,
)
from medlib.infer.looks import Looks
from medlib.infer.outputs import (
    BeliefOutput,
    MaskOutput,
    MeasurementOutput,
    Output,
    PointsOutput,
)
from medlib.infer.predictor import Predictor, checked
from medlib.infer.volumes import MultiVolumeOutput, VolumeOutput
from medlib.infer.window import sliding_window, window_count

OUTPUTS: tuple[type[Output], ...] = (
    *(MaskOutput, PointsOutput, BoxesOutput, BeliefOutput, MeasurementOutput),
    *(VolumeOutput, MultiVolumeOutput),
)
"""What a model file may ask for."""

__all__ = [
    "INPUTS",
    "OUTPUTS",
    "BeliefOutput",
    "BoxMaps",
    "BoxesInput",
    "BoxesOutput",
    "Input",
    "Looks",
    "MaskInput",
    "MaskOutput",
    "MeasurementInput",
    "MeasurementOutput",
    "MultiVolumeInput",
    "MultiVolumeOutput",
    "Output",
    "PointsInput",
    "PointsOutput",
    "Predictor",
    "Shares",
    "VolumeInput",
    "VolumeOutput",
    "WordsInput",
    "checked",
    "decode_mask",
    "shown",
    "sliding_window",
    "window_count",
]
