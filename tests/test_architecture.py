"""The house stands: each floor imports only from the floors below, and the door opens lightly."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import medlib

PACKAGE = Path(medlib.__file__).parent
# Rooms of one floor do not know each other. What is not named here is on the top floor.
# `infer` lies below `train`, which validates with the predictor that will be deployed.
FLOORS = (
    {"_version", "figures", "resources", "shipped"},
    {"space"},
    {"types"},
    {"transforms", "io"},
    {"models", "datasets"},
    {"infer"},
    {"data"},
    {"train"},
    {"package"},
)
TOP = len(FLOORS)
HEAVY = ("SimpleITK", "pydicom", "highdicom", "nibabel", "streamlit", "matplotlib")
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "_share" not in p.parts)


def floor(room: str) -> int:
    return next((height for height, rooms in enumerate(FLOORS) if room in rooms), TOP)


def imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports, wherever in it and for whatever purpose."""
    here = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join((*here[: -node.level], *([node.module] if node.module else [])))
            base = base if node.level else (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_floor_imports_from_above(path):
    ours = room_of(path)
    for name in imported(path):
        top, _, rest = name.partition(".")
        assert top not in {"apps", "tests", "datasets"}, f"{name}: nothing imports apps"
        if top != "medlib":
            continue
        theirs = rest.split(".")[0] or "__init__"
        below = floor(theirs) < floor(ours)
        assert theirs == ours or below or floor(ours) == TOP, f"{ours} imports {name}"


BLOCKED = """
import importlib, importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {heavy!r}:
            raise ImportError(name + " is heavy: import it in the function that uses it")

sys.meta_path.insert(0, Blocker())
for name in {names!r}:
    importlib.import_module(name)
"""
WORK = """
import torch
from medlib.space import Grid
from medlib.transforms import Item, Normalise, Pipeline, RandomAffine, Reorient, Spacing
from medlib.types import Labels, Mask, MRVolume

grid = Grid.from_axes((8, 8, 8))
mask = Mask(torch.ones(1, 8, 8, 8, dtype=torch.uint8), grid, Labels.of(["a"]))
recipes = (Reorient("RAS"), Spacing((2, 1, 1)), RandomAffine(), Normalise())
item = Pipeline(recipes)(Item((MRVolume(torch.rand(1, 8, 8, 8), grid), mask)))
assert item.trail.decode(item.values[1]).grid == grid
"""


def run(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_core_works_without_anything_heavy():
    names = ("medlib", "medlib.space", "medlib.types", "medlib.transforms")
    run(BLOCKED.format(heavy=HEAVY, names=names) + WORK)


def test_every_module_is_imported_without_anything_heavy():
    """So that a training job, say, needs no viewer, and `import medlib` stays quick."""
    names = [
        ".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts)
        for p in MODULES
        if p.name not in {"__init__.py", "__main__.py"}
    ]
    run(BLOCKED.format(heavy=HEAVY, names=names))


def test_whoever_only_looks_waits_for_no_training_package():
    """A workspace opens, and its pages and log are read, without torch."""
    run("import sys, medlib.workspace; assert 'torch' not in sys.modules")
