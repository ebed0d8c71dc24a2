"""The model package: everything needed to predict, in one file that runs nothing."""

from medlib.package.ensemble import Ensemble, load
from medlib.package.manifest import Manifest
from medlib.package.model import Model, ModelError

__all__ = ["Ensemble", "Manifest", "Model", "ModelError", "load"]
