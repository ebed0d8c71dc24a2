"""Networks: found by name, called alike, thawed by groups, begun from weights learned elsewhere."""

from medlib.models.architectures import ARCHITECTURES, Architecture
from medlib.models.calling import ModelOutput, call, outputs, read_output, takes_labels
from medlib.models.device import best_device
from medlib.models.groups import decay_groups, freeze_to, layer_groups, train_thawed
from medlib.models.inflation import inflate
from medlib.models.own import OwnNetwork
from medlib.models.pretrained import Loaded, load_pretrained
from medlib.models.rescaling import lengths, rescale, scale_free
from medlib.models.weights import WeightsError, architecture_of, read_weights
from medlib.shipped import card_of, shipped

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Loaded",
    "ModelOutput",
    "OwnNetwork",
    "WeightsError",
    "architecture_of",
    "best_device",
    "call",
    "card_of",
    "decay_groups",
    "freeze_to",
    "inflate",
    "layer_groups",
    "lengths",
    "load_pretrained",
    "outputs",
    "read_output",
    "read_weights",
    "rescale",
    "scale_free",
    "shipped",
    "takes_labels",
    "train_thawed",
]
