"""bf16 on a processor: the fault is real, is found, and is stayed clear of."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from medlib.models import Architecture
from medlib.train import Learner
from medlib.train.precision import miscalculated, quickest

TWO_SLICES = (8, 16, 16)  # at the third level of a network that halves twice

# In a process of its own, since what is written beyond the gradient may be anything.
GRADIENT = """
import sys, torch
from torch import nn

torch.set_num_threads(1)
size = [int(n) for n in sys.argv[2:5]]
stride = [int(n) for n in sys.argv[5:8]]
more = {"output_padding": [s - 1 for s in stride]} if sys.argv[1] == "ConvTranspose3d" else {}

def gradient(bf16):
    torch.manual_seed(0)
    layer = getattr(nn, sys.argv[1])(16, 16, 3, padding=1, stride=stride, **more)
    x = torch.randn(2, 16, *size).to(memory_format=torch.channels_last_3d)
    layer = layer.to(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        layer(x).float().square().mean().backward()
    return layer.weight.grad

right = gradient(False)
errors = [float((gradient(True) - right).abs().max() / right.abs().max()) for _ in range(5)]
print("right" if all(error < 0.05 for error in errors) else "wrong")
"""


def computed_rightly(kind, size, stride):
    command = [sys.executable, "-c", GRADIENT, kind, *map(str, (*size, *stride))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    return done.returncode == 0 and done.stdout.strip() == "right"


def watched(kind, size, stride):
    more = {"output_padding": [s - 1 for s in stride]} if kind == "ConvTranspose3d" else {}
    layer = getattr(nn, kind)(1, 1, 3, padding=1, stride=stride, **more)
    return bool(miscalculated(layer, size))


WRONG = [
    ("Conv3d", (2, 6, 8), (1, 1, 1)),
    ("ConvTranspose3d", (2, 6, 8), (1, 2, 2)),
    ("Conv3d", (5, 8, 1), (2, 2, 2)),
]
RIGHT = [
    ("Conv3d", (3, 6, 8), (1, 1, 1)),
    ("Conv3d", (2, 6, 8), (2, 2, 2)),
    ("Conv3d", (6, 2, 8), (1, 1, 1)),
    ("Conv3d", (1, 6, 8), (1, 2, 2)),
    ("ConvTranspose3d", (3, 6, 8), (2, 2, 2)),
]


@pytest.mark.parametrize(("kind", "size", "stride"), WRONG)
def test_what_is_computed_wrongly_is_watched_for(kind, size, stride):
    assert watched(kind, size, stride)
    if not torch.cpu.get_capabilities().get("avx512_bf16", False):
        pytest.skip("this processor has no bf16 arithmetic (avx512_bf16)")
    if computed_rightly(kind, size, stride):
        pytest.skip(f"torch {torch.__version__} computes this rightly: the guard may go")


@pytest.mark.parametrize(("kind", "size", "stride"), RIGHT)
def test_what_is_not_watched_for_is_computed_rightly(kind, size, stride):
    assert not watched(kind, size, stride)
    if not torch.cpu.get_capabilities().get("avx512_bf16", False):
        pytest.skip("this processor has no bf16 arithmetic (avx512_bf16)")
    assert computed_rightly(kind, size, stride)


def test_auto_falls_back_and_bf16_is_refused(data, monkeypatch):
    from medlib.train import precision as module

    if torch.cuda.is_available():
        pytest.skip("a graphics card computes bf16 rightly")
    monkeypatch.setattr(module, "quickest", lambda device: "bf16")
    network = Architecture.residual_unet(channels=(4, 8, 16)).build(1, 3)
    assert Learner(network, data, window=TWO_SLICES).precision == "fp32"
    assert Learner(network, data, window=(12, 16, 16)).precision == "bf16"
    with pytest.raises(ValueError, match=r"two slices; use fp32, or a window of another size"):
        Learner(network, data, window=TWO_SLICES, precision="bf16")
    assert Learner(network, data, window=TWO_SLICES, precision="fp32").precision == "fp32"


def test_bf16_learns_where_it_is_allowed(learner):
    if torch.cuda.is_available() or quickest(torch.device("cpu")) != "bf16":
        pytest.skip("this processor has no bf16 arithmetic (avx512_bf16)")
    assert learner(precision="bf16").fit_one_cycle(epochs=20).mean > 0.5


def test_the_quickest_precision_is_one_that_the_device_has():
    has = torch.cpu.get_capabilities().get("avx512_bf16", False)
    assert quickest(torch.device("cpu")) == ("bf16" if has else "fp32")


def test_a_2d_network_is_looked_at_as_it_is_trained():
    """It is shown radiographs, without the axis of slices, and has nothing that would go wrong."""
    assert miscalculated(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 1, 3)), (1, 8, 8)) == []
