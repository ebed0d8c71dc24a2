"""Networks, found by name, and where they run."""

from medlib.models.architectures import ARCHITECTURES, Architecture
from medlib.models.device import best_device

__all__ = ["ARCHITECTURES", "Architecture", "best_device"]
