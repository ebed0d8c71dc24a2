"""Weights that come with the library: what their cards say is so, and networks take them."""

import hashlib
from pathlib import Path

import pytest
import torch

from medlib.models import architecture_of, card_of, load_pretrained, read_weights, shipped
from medlib.models.weights import located


@pytest.mark.parametrize("name", shipped())
def test_the_card_is_of_these_weights(name):
    file, card = located(name), card_of(name)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card["sha256"]
    assert file.stat().st_size <= 12e6
    weights = read_weights(name)
    assert sum(tensor.numel() for tensor in weights.values()) == card["parameters"] <= 6e6
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert {"how", "limits", "licence", "results", "steps", "seconds"} <= card.keys()


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_its_kind_takes_all_but_the_head(name, channels):
    architecture = architecture_of(name)
    network = architecture.build(channels, 5)
    before = [p.clone() for p in network.parameters()]
    loaded = load_pretrained(network, name)
    assert loaded.share > 0.99
    changed = sum(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert changed > 0.8 * len(before), "the head alone may stay as it was"


def test_another_name_is_no_guess():
    with pytest.raises(FileNotFoundError, match="with the library come medlib-synthetic-small"):
        located("medlib-synthetic-large")
    with pytest.raises(FileNotFoundError, match="no weights are called"):
        card_of("medlib-synthetic-large")
    with pytest.raises(FileNotFoundError, match=r"weights at [\w/]*net\.safetensors$"):
        located(Path("/nowhere/net.safetensors"))
