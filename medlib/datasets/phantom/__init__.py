"""An abdominal CT phantom: made-up patients, drawn from smooth solids, written as DICOM."""

from medlib.datasets.phantom.archive import write_archive
from medlib.datasets.phantom.recipe import Recipe

__all__ = ["Recipe", "write_archive"]
