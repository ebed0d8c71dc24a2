"""Callbacks: what else happens while a network is trained.

:mod:`medlib.train.callbacks.base` says when they are told what, and how they cancel.
"""

from medlib.train.callbacks.averaging import EMA
from medlib.train.callbacks.base import (
    Callback,
    Cancel,
    CancelFit,
    CancelStep,
    CancelValidation,
    tell,
)
from medlib.train.callbacks.freezing import Unfreeze
from medlib.train.callbacks.keeping import BestCheckpoints, BestWeights, Kept
from medlib.train.callbacks.mixing import CutMix, Mixup
from medlib.train.callbacks.progress import Progress
from medlib.train.callbacks.schedules import Constant, Cosine, OneCycle, Phases, Schedule
from medlib.train.callbacks.stopping import EarlyStopping, StopOnNaN

__all__ = [
    "EMA",
    "BestCheckpoints",
    "BestWeights",
    "Callback",
    "Cancel",
    "CancelFit",
    "CancelStep",
    "CancelValidation",
    "Constant",
    "Cosine",
    "CutMix",
    "EarlyStopping",
    "Kept",
    "Mixup",
    "OneCycle",
    "Phases",
    "Progress",
    "Schedule",
    "StopOnNaN",
    "Unfreeze",
    "tell",
]
