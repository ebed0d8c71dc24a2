"""Networks, found by name."""

from medlib.models.architectures import ARCHITECTURES, Architecture

__all__ = ["ARCHITECTURES", "Architecture"]
