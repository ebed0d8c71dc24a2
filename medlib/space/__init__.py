"""Where things are: grids of voxels in patient space, and maps of that space.

Conventions, stated once and kept everywhere:

* Patient coordinates are **LPS millimetres** (x towards the patient's left, y towards the
  back, z towards the head), as in DICOM and ITK.
* Array axes are **(slice, row, column)**; a tensor has its channel axis in front of them.
* A grid's affine takes ``(slice, row, column)``, in that order, to ``(x, y, z)``.
"""

from medlib.space.flow import Flow
from medlib.space.grid import Grid
from medlib.space.maps import Affine, Chain, Map, composed
from medlib.space.plain import map_from_dict

__all__ = ["Affine", "Chain", "Flow", "Grid", "Map", "composed", "map_from_dict"]
