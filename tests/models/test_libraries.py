"""Libraries that may be missing: said in words, and harmless when they are there."""

import os
import subprocess
import sys

import pytest

from medlib.models import Architecture, libraries


@pytest.fixture
def anew():
    """Libraries are looked for again, in this test and after it."""
    for library in (libraries.timm, libraries.torchvision):
        library.cache_clear()
    yield
    for library in (libraries.timm, libraries.torchvision):
        library.cache_clear()


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("timm", Architecture.slices("timm/resnet18")),
        ("torchvision", Architecture.slices("torchvision/resnet18")),
        ("einops", Architecture.swinunetr(features=12)),
    ],
)
def test_a_missing_library_is_named(name, architecture, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # as Python itself marks what is not there
    with pytest.raises(
        ImportError, match=f"needs {name}, which is not installed: pip install {name}"
    ):
        architecture.build(1, 2)


SCRIPT = """
import sys
import medlib.models
assert not {"timm", "torchvision", "transformers", "einops"} & set(sys.modules)
import torch
models = medlib.models.libraries.torchvision().models
assert models.mobilenet_v3_small().eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
"""


def test_they_are_imported_only_when_needed_and_beside_any_pytorch():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
