"""Transforms that can be undone: recipes, the steps they draw, and the trails back.

A :class:`Transform` is a recipe. Applied to an :class:`Item` by a :class:`Pipeline` it draws a
:class:`Step`; an item's steps are its :class:`Trail`, and ``trail.decode(prediction)`` takes a
prediction back to the scan's own grid.
"""

from medlib.transforms.cropping import CropOrPad, CropToForeground, PadTo, RandomPatch
from medlib.transforms.intensity import Brightness, Noise, Normalise, Window
from medlib.transforms.move import Move, resample
from medlib.transforms.orientation import Flip, Reorient
from medlib.transforms.pipeline import Item, Pipeline, Scene, Transform
from medlib.transforms.resampling import RandomAffine, Resize, Spacing
from medlib.transforms.steps import Step, apply, undo
from medlib.transforms.trail import Trail
from medlib.transforms.voxelwise import AddNoise, Rescale

# The recipes that a file may ask for by name.
RECIPES: tuple[type[Transform], ...] = (
    Brightness,
    CropOrPad,
    CropToForeground,
    Flip,
    Noise,
    Normalise,
    PadTo,
    RandomAffine,
    RandomPatch,
    Reorient,
    Resize,
    Spacing,
    Window,
)

__all__ = [
    "RECIPES",
    "AddNoise",
    "Brightness",
    "CropOrPad",
    "CropToForeground",
    "Flip",
    "Item",
    "Move",
    "Noise",
    "Normalise",
    "PadTo",
    "Pipeline",
    "RandomAffine",
    "RandomPatch",
    "Reorient",
    "Rescale",
    "Resize",
    "Scene",
    "Spacing",
    "Step",
    "Trail",
    "Transform",
    "Window",
    "apply",
    "resample",
    "undo",
]
