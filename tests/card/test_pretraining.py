"""The backbone's recipe on a graphics card, or on what stands in for one."""

import pytest
import torch
from safetensors.torch import load_file

from medlib.models.pretraining import Configuration, pretrain

TINY = {
    "name": "tiny",
    "batch": 1,
    "channels": [8, 16, 32],
    "points": 32,
    "embedding": 8,
    "warm_up": 3,
    "forms": [
        {"size": [16, 16, 16]},
        {"size": [8, 16, 16], "spacing": [2, 1, 1], "strides": [[1, 2, 2], [2, 2, 2]]},
    ],
}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_graphics_card_the_recipe_learns_the_same_and_goes_on(tmp_path, request, precision):
    asked = Configuration.from_dict(TINY | {"precision": precision})
    here = pretrain(asked, tmp_path / "here", steps=3)
    card = request.getfixturevalue("on_card")
    pretrain(asked, tmp_path / "there", steps=2)
    there = pretrain(asked, tmp_path / "there", steps=3)
    assert all(mean.device == card for mean in there.standing.average.values())
    a, b = (load_file(one.weights) for one in (here, there))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0.1, atol=0.01)
