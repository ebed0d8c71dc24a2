"""Training on a graphics card, or on what stands in for one: in a process of its own.

``tests/test_card.py`` runs it. Gradients on a device forbid forks, which other tests need.
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from elsewhere import register
from tiny import write_task
from tiny_learner import tiny_data, tiny_learner

from medlib.train import Learner

if not torch.cuda.is_available():
    register()  # before the first gradient


@pytest.fixture
def on_card(card: torch.device, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """All that chooses a device for itself chooses the card."""
    if not torch.cuda.is_available():
        Accelerator(cpu=True, mixed_precision="no")  # knows no such device, so it is told
        for state in (PartialState, AcceleratorState):
            monkeypatch.setitem(state._shared_state, "device", card)
        for module in ("train.learner", "package.model", "models.pretraining.recipe"):
            monkeypatch.setattr(f"medlib.{module}.best_device", lambda: card)
    return card


@pytest.fixture
def learner(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Learner]:
    """``learner(**arguments)``: a new one each time, always with the same first weights."""
    return partial(tiny_learner, tiny_data(write_task(tmp_path_factory.mktemp("task"), 6)))
