"""Training: the learner, its losses and callbacks, metrics, and a plan made from the data."""

from medlib.train.budget import Budget
from medlib.train.callbacks import (
    BestWeights,
    Callback,
    CancelFit,
    OneCycle,
    Progress,
    StopOnNaN,
)
from medlib.train.learner import Learner
from medlib.train.losses import loss
from medlib.train.metrics import Metric, dice, metrics
from medlib.train.plan import Fingerprint, Plan
from medlib.train.scores import Scores, scored

__all__ = [
    "BestWeights",
    "Budget",
    "Callback",
    "CancelFit",
    "Fingerprint",
    "Learner",
    "Metric",
    "OneCycle",
    "Plan",
    "Progress",
    "Scores",
    "StopOnNaN",
    "dice",
    "loss",
    "metrics",
    "scored",
]
