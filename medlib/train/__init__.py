"""Training: the learner, its losses and callbacks, metrics, and a plan made from the data."""

from medlib.train import box_loss, synthesis  # noqa: F401 (they teach the verbs a kind)
from medlib.train.beginning import begun
from medlib.train.budget import Budget
from medlib.train.callbacks import (
    EMA,
    BestCheckpoints,
    BestWeights,
    Callback,
    CancelFit,
    CancelStep,
    CancelValidation,
    Constant,
    Cosine,
    CutMix,
    EarlyStopping,
    Kept,
    Mixup,
    OneCycle,
    Phases,
    Progress,
    Schedule,
    StopOnNaN,
    Unfreeze,
)
from medlib.train.checkpoint import Checkpoints, Standing
from medlib.train.fingerprint import Fingerprint
from medlib.train.learner import Learner
from medlib.train.losses import loss
from medlib.train.machine import Machine
from medlib.train.masks import dice
from medlib.train.metrics import Metric, metrics
from medlib.train.own_loss import OwnLoss, told
from medlib.train.plan import Plan
from medlib.train.planning import plan_for
from medlib.train.rates import Rates, find_rate
from medlib.train.scores import Scores, scored
from medlib.train.supervision import coarser

__all__ = [
    "EMA",
    "BestCheckpoints",
    "BestWeights",
    "Budget",
    "Callback",
    "CancelFit",
    "CancelStep",
    "CancelValidation",
    "Checkpoints",
    "Constant",
    "Cosine",
    "CutMix",
    "EarlyStopping",
    "Fingerprint",
    "Kept",
    "Learner",
    "Machine",
    "Metric",
    "Mixup",
    "OneCycle",
    "OwnLoss",
    "Phases",
    "Plan",
    "Progress",
    "Rates",
    "Schedule",
    "Scores",
    "Standing",
    "StopOnNaN",
    "Unfreeze",
    "begun",
    "coarser",
    "dice",
    "find_rate",
    "loss",
    "metrics",
    "plan_for",
    "scored",
    "told",
]
