"""From a trained network to predictions on a scan's own grid."""

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
from medlib.infer.outputs import (
    OUTPUTS,
    BeliefOutput,
    MaskOutput,
    MeasurementOutput,
    Output,
    PointsOutput,
)
from medlib.infer.predictor import Predictor, checked, decode_mask
from medlib.infer.window import sliding_window

__all__ = [
    "INPUTS",
    "OUTPUTS",
    "BeliefOutput",
    "BoxesInput",
    "Input",
    "MaskInput",
    "MaskOutput",
    "MeasurementInput",
    "MeasurementOutput",
    "MultiVolumeInput",
    "Output",
    "PointsInput",
    "PointsOutput",
    "Predictor",
    "VolumeInput",
    "WordsInput",
    "checked",
    "decode_mask",
    "shown",
    "sliding_window",
]
