"""From a trained network to predictions on a scan's own grid."""

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
    "OUTPUTS",
    "BeliefOutput",
    "MaskOutput",
    "MeasurementOutput",
    "Output",
    "PointsOutput",
    "Predictor",
    "checked",
    "decode_mask",
    "sliding_window",
]
