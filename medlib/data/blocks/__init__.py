"""Blocks: the parts of a case, each with the two sides that it can have, seen and asked."""

from medlib.data.blocks.answers import CategoriesBlock, CategoryBlock, MeasurementBlock
from medlib.data.blocks.block import Block
from medlib.data.blocks.boxes import BoxesBlock
from medlib.data.blocks.masks import MaskBlock
from medlib.data.blocks.places import PointsBlock
from medlib.data.blocks.volumes import MultiVolumeBlock, VolumeBlock

__all__ = [
    "Block",
    "BoxesBlock",
    "CategoriesBlock",
    "CategoryBlock",
    "MaskBlock",
    "MeasurementBlock",
    "MultiVolumeBlock",
    "PointsBlock",
    "VolumeBlock",
]
