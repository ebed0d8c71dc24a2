"""Trails written once are led back the same by every later version."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from medlib.space import Grid
from medlib.transforms import Trail
from medlib.types import Labels, Mask, Points

KEPT = sorted((Path(__file__).parent / "trails").glob("*.json"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_trail_on_disk_means_what_it_meant(path):
    """Masks, points and names, through every sort of step, as the version that wrote it decoded."""
    kept = json.loads(path.read_text())
    trail, grid = Trail.from_dict(kept["trail"]), Grid.from_dict(kept["grid"])
    assert json.loads(json.dumps(trail.to_dict())) == kept["trail"]
    ids = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    for label, low, high in kept["mask"]["boxes"]:
        ids[0, low[0] : high[0], low[1] : high[1], low[2] : high[2]] = label
    found = trail.decode(Mask(ids, grid, Labels.from_list(kept["labels"])))
    assert found.grid == Grid.from_dict(kept["decoded"]["grid"])
    for label, voxels in kept["decoded"]["flat"].items():
        ours = set(torch.nonzero((found.data == int(label)).flatten()).flatten().tolist())
        assert len(ours ^ set(voxels)) <= 0.01 * len(voxels)
    points = trail.decode(Points(kept["points"], tuple(kept["names"])))
    assert np.allclose(points.coordinates, kept["decoded"]["points"], atol=1e-4)
    assert points.names == tuple(kept["decoded"]["names"])


def test_there_is_one():
    assert KEPT
