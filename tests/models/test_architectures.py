"""Networks by name: the only ones there are, and sizes that they can see."""

import json

import pytest
import torch

from medlib.models import ARCHITECTURES, Architecture

SMALL = [
    Architecture.residual_unet(channels=(2, 4, 4), strides=((1, 2, 2), (2, 2, 2)), units=1),
    Architecture("segresnet", {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}),
]


@pytest.mark.parametrize("architecture", SMALL, ids=lambda a: a.name)
def test_logits_are_as_large_as_the_scan_at_multiples_of_the_divisor(architecture):
    size = [3 * d for d in architecture.divisor]
    network = architecture.build(2, 4).eval()
    assert network(torch.zeros(1, 2, *size)).shape == (1, 4, *size)


@pytest.mark.parametrize("architecture", SMALL, ids=lambda a: a.name)
def test_a_name_and_arguments_build_the_same_network_again(architecture):
    written = json.loads(
        json.dumps({"name": architecture.name, "arguments": architecture.arguments})
    )
    again = Architecture(**written)
    network, other = architecture.build(1, 2), again.build(1, 2)
    other.load_state_dict(network.state_dict())
    assert again.divisor == architecture.divisor


def test_every_architecture_is_tried_here():
    assert {a.name for a in SMALL} == set(ARCHITECTURES)


def test_other_names_are_refused():
    with pytest.raises(ValueError, match=r"'os\.system'; there are: unet, segresnet"):
        Architecture("os.system")
