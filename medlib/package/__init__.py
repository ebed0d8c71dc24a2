"""The model package: everything needed to predict, in one file that runs nothing."""

from medlib.package.manifest import Manifest
from medlib.package.model import Model, ModelError

__all__ = ["Manifest", "Model", "ModelError"]
