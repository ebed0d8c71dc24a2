"""Deep learning on 3-D medical images, for people who know the field."""

from medlib._version import __version__

__all__ = ["__version__"]
