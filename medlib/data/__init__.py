"""From scans and labels on disk to batches: the data block and its parts."""

from medlib.data.block import DataBlock, Datasets
from medlib.data.blocks import MaskBlock, VolumeBlock
from medlib.data.cases import Case, Pairing, pair
from medlib.data.dataset import Batch, Dataset, collate
from medlib.data.splitters import Splitter, by_patient, held_out

__all__ = [
    "Batch",
    "Case",
    "DataBlock",
    "Dataset",
    "Datasets",
    "MaskBlock",
    "Pairing",
    "Splitter",
    "VolumeBlock",
    "by_patient",
    "collate",
    "held_out",
    "pair",
]
