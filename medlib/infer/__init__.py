"""From a trained network and a scan to a mask on the scan's own grid."""

from medlib.infer.predictor import Predictor, decode_mask
from medlib.infer.window import sliding_window

__all__ = ["Predictor", "decode_mask", "sliding_window"]
