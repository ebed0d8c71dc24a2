"""From scans and labels on disk to batches: the data block and its parts."""

from medlib.data.block import DataBlock, Datasets
from medlib.data.blocks import (
    CategoriesBlock,
    CategoryBlock,
    MaskBlock,
    MeasurementBlock,
    MultiVolumeBlock,
    PointsBlock,
    TargetBlock,
    VolumeBlock,
)
from medlib.data.cases import Case, Pairing, pair
from medlib.data.dataset import Batch, Dataset, collate
from medlib.data.splitters import Splitter, by_patient, held_out

__all__ = [
    "Batch",
    "Case",
    "CategoriesBlock",
    "CategoryBlock",
    "DataBlock",
    "Dataset",
    "Datasets",
    "MaskBlock",
    "MeasurementBlock",
    "MultiVolumeBlock",
    "Pairing",
    "PointsBlock",
    "Splitter",
    "TargetBlock",
    "VolumeBlock",
    "by_patient",
    "collate",
    "held_out",
    "pair",
]
