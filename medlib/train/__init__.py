"""Training: the learner, its callbacks, scores, and a plan made from the data."""

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
from medlib.train.plan import Fingerprint, Plan
from medlib.train.scores import Scores, dice

__all__ = [
    "BestWeights",
    "Budget",
    "Callback",
    "CancelFit",
    "Fingerprint",
    "Learner",
    "OneCycle",
    "Plan",
    "Progress",
    "Scores",
    "StopOnNaN",
    "dice",
]
