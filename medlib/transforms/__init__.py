"""Transforms that can be undone: recipes, the steps they draw, and the trails back.

A :class:`Transform` is a recipe. Applied to an :class:`Item` by a :class:`Pipeline` it draws
:class:`Step` after step; an item's steps are its :class:`Trail`, and ``trail.decode(prediction)``
takes a prediction back to the scan's own grid.
"""

from medlib.transforms.chance import Chance
from medlib.transforms.cropping import CropOrPad, CropToForeground, PadTo, RandomPatch
from medlib.transforms.deforming import (
    Elastic,
    MoveBy,
    RandomAffine,
    Rotate,
    Scale,
    Shear,
    Translate,
)
from medlib.transforms.intensity import Brightness, Noise, Normalise, Window
from medlib.transforms.move import Move
from medlib.transforms.naming import SwapSides
from medlib.transforms.orientation import Flip, Reorient
from medlib.transforms.pipeline import Pipeline
from medlib.transforms.recipe import Intensity, Transform
from medlib.transforms.resample import resample
from medlib.transforms.resampling import Resize, Spacing
from medlib.transforms.sampler import Sampler
from medlib.transforms.scene import Item, Scene
from medlib.transforms.steps import ByPart, IntensityStep, LabelStep, Step, apply, undo
from medlib.transforms.trail import Trail
from medlib.transforms.voxelwise import AddNoise, Rescale

# The recipes that a file may ask for by name.
RECIPES: tuple[type[Transform], ...] = (
    Brightness,
    CropOrPad,
    CropToForeground,
    Elastic,
    Flip,
    MoveBy,
    Noise,
    Normalise,
    PadTo,
    RandomAffine,
    RandomPatch,
    Reorient,
    Resize,
    Rotate,
    Scale,
    Shear,
    Spacing,
    Translate,
    Window,
)

# The steps that a trail in a file may be made of.
STEPS: tuple[type[Step], ...] = (
    AddNoise,
    ByPart,
    Move,
    Rescale,
    SwapSides,
)

__all__ = [
    "RECIPES",
    "STEPS",
    "AddNoise",
    "Brightness",
    "ByPart",
    "Chance",
    "CropOrPad",
    "CropToForeground",
    "Elastic",
    "Flip",
    "Intensity",
    "IntensityStep",
    "Item",
    "LabelStep",
    "Move",
    "MoveBy",
    "Noise",
    "Normalise",
    "PadTo",
    "Pipeline",
    "RandomAffine",
    "RandomPatch",
    "Reorient",
    "Rescale",
    "Resize",
    "Rotate",
    "Sampler",
    "Scale",
    "Scene",
    "Shear",
    "Spacing",
    "Step",
    "SwapSides",
    "Trail",
    "Transform",
    "Translate",
    "Window",
    "apply",
    "resample",
    "undo",
]
