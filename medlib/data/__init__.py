"""From scans and labels on disk to batches: the data block and its parts."""

from medlib.data.block import DataBlock, Datasets
from medlib.data.blocks import (
    Block,
    BoxesBlock,
    CategoriesBlock,
    CategoryBlock,
    MaskBlock,
    MeasurementBlock,
    MultiVolumeBlock,
    PointsBlock,
    VolumeBlock,
)
from medlib.data.boxes import pair_boxes, with_boxes
from medlib.data.cases import Case, Pairing, pair
from medlib.data.dataset import Batch, Dataset, collate
from medlib.data.decided import as_marked, held_out, listed
from medlib.data.digests import content_digest, digest
from medlib.data.leaks import LeakError, check_split, contents
from medlib.data.patients import patient_of
from medlib.data.sources import from_card, from_msd, from_nnunet
from medlib.data.splitters import (
    Splitter,
    bearing,
    by_patient,
    by_site,
    grouped,
    k_fold,
    none_kept,
    stratified,
)
from medlib.data.store import Store
from medlib.data.summary import Stage, Summary
from medlib.data.tables import from_table

__all__ = [
    "Batch",
    "Block",
    "BoxesBlock",
    "Case",
    "CategoriesBlock",
    "CategoryBlock",
    "DataBlock",
    "Dataset",
    "Datasets",
    "LeakError",
    "MaskBlock",
    "MeasurementBlock",
    "MultiVolumeBlock",
    "Pairing",
    "PointsBlock",
    "Splitter",
    "Stage",
    "Store",
    "Summary",
    "VolumeBlock",
    "as_marked",
    "bearing",
    "by_patient",
    "by_site",
    "check_split",
    "collate",
    "content_digest",
    "contents",
    "digest",
    "from_card",
    "from_msd",
    "from_nnunet",
    "from_table",
    "grouped",
    "held_out",
    "k_fold",
    "listed",
    "none_kept",
    "pair",
    "pair_boxes",
    "patient_of",
    "stratified",
    "with_boxes",
]
