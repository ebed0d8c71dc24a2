"""Layer groups: what of a network is trained, and how.

Features of the first layers serve many tasks, the head serves one: a network that was trained
elsewhere is thawed from the head backwards (Howard and Ruder 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn
from torch.nn import Parameter

_HEADS = ("head", "fc", "classifier", "out", "output", "output_block", "conv_final", "class_layers")
_DECODERS = ("up", "decode")
_WEIGHING = (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding)


def layer_groups(network: nn.Module) -> list[list[Parameter]]:
    """The network's parameters in groups, from the first layers to the head, each parameter once.

    A U-Net has three groups: encoder, decoder, head. Any other network has one for each of its
    parts, in the order in which they were made; a norm belongs to what it follows. Parts whose
    names say that they are heads (``fc``, ``classifier``, ``head``, …) come last, together; when
    no name does, the last part is the head.

    Example:
        >>> network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Conv3d(4, 2, 1))
        >>> [len(group) for group in layer_groups(network)]
        [4, 2]
    """
    seen: set[Parameter] = set()
    groups = []
    # What hangs on no part, as class tokens do, is added to the first layers.
    for modules in _parts(network):
        fresh = [p for m in modules for p in m.parameters() if p not in seen]
        group = list(dict.fromkeys(fresh))
        seen.update(group)
        groups.append(group)
    loose = [p for p in network.parameters() if p not in seen]
    groups[0] = [*loose, *groups[0]]
    return [group for group in groups if group]


def freeze_to(network: nn.Module, group: int) -> None:
    """Train the groups from ``group`` on, and leave those before it as they are.

    Frozen layers must not go on adapting their running statistics to the new scans either: set
    the network to training by :func:`train_thawed`, rather than ``network.train()``.

    Args:
        network: any.
        group: place in :func:`layer_groups`; 0 trains everything, -1 the head alone.

    Raises:
        IndexError: when the network has no such group.

    Example:
        >>> network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Conv3d(4, 2, 1))
        >>> freeze_to(network, -1)
        >>> [p.requires_grad for p in network.parameters()]
        [False, False, False, False, True, True]
    """
    groups = layer_groups(network)
    if not -len(groups) <= group < len(groups):
        raise IndexError(f"the network has {len(groups)} layer groups, and no group {group}")
    first = group % len(groups)
    for number, parameters in enumerate(groups):
        for parameter in parameters:
            parameter.requires_grad_(number >= first)


def train_thawed(network: nn.Module) -> None:
    """Set to training what is trained; what is frozen stays in evaluation.

    Batch norm then keeps the statistics that its frozen weights belong to, and frozen features
    are the same from step to step, since nothing in them drops out.

    Example:
        >>> network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Conv3d(4, 2, 1))
        >>> freeze_to(network, -1)
        >>> train_thawed(network)
        >>> [part.training for part in network]
        [False, False, True]
    """
    network.train()
    for part in network.modules():
        parameters = list(part.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            part.eval()


def decay_groups(
    network: nn.Module, decay: float, rates: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: weights decay, norms and biases do not.

    A norm's scale or a bias that is pulled to zero regularises nothing. Frozen parameters are
    among them, so that thawing later asks for no new optimiser.

    Args:
        network: any.
        decay: weight decay of what decays.
        rates: learning rate of each of :func:`layer_groups`; left out, the optimiser's own.

    Raises:
        ValueError: when there is not one rate a layer group.

    Example:
        >>> network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Conv3d(4, 2, 1))
        >>> for group in decay_groups(network, 0.01, rates=(1e-4, 1e-3)):
        ...     print(len(group["params"]), group["weight_decay"], group["lr"])
        1 0.01 0.0001
        3 0.0 0.0001
        1 0.01 0.001
        1 0.0 0.001
    """
    layers = layer_groups(network)
    if rates is not None and len(rates) != len(layers):
        raise ValueError(f"{len(layers)} layer groups need as many rates, got {len(rates)}")
    spared = set(_spared(network))
    groups = []
    for number, layer in enumerate(layers):
        own = {"lr": rates[number]} if rates is not None else {}
        decaying = [p for p in layer if p not in spared]
        rest = [p for p in layer if p in spared]
        for parameters, weight_decay in ((decaying, decay), (rest, 0.0)):
            if parameters:
                groups.append({"params": parameters, "weight_decay": weight_decay} | own)
    return groups


def _spared(network: nn.Module) -> Iterator[Parameter]:
    """Parameters that should not decay: vectors, and what a network itself names, as timm's do."""
    for module in network.modules():
        named: set[str] = getattr(module, "no_weight_decay", set)()
        for name, parameter in module.named_parameters(recurse=bool(named)):
            if parameter.ndim <= 1 or name == "bias" or name in named:
                yield parameter


def _parts(network: nn.Module) -> list[list[nn.Module]]:
    """The modules of each group."""
    from monai.networks.nets import DynUNet, UNet

    from medlib.models.unets import halves

    if isinstance(network, UNet):
        # The last level up already has as many channels as there are classes.
        encoder, decoder = halves(network)
        coarser = getattr(network, "coarser_heads", ())
        return [encoder, decoder[:-1], [*decoder[-1:], *coarser]]
    if isinstance(network, DynUNet):  # MONAI's names every layer twice
        heads = [network.output_block, *getattr(network, "deep_supervision_heads", ())]
        return [*halves(network), heads]
    children = [(n, m) for n, m in network.named_children() if any(True for _ in m.parameters())]
    if not children:
        return [[network]]
    head = [m for name, m in children if _is_head(name)]
    body = [(name, m) for name, m in children if not _is_head(name)]
    if any(name.startswith(_DECODERS) for name, _ in body):
        encoder = [m for name, m in body if not name.startswith(_DECODERS)]
        decoder = [m for name, m in body if name.startswith(_DECODERS)]
        return [encoder, decoder, head]
    if len(body) == 1:  # a container: its parts are the layers
        return [*_parts(body[0][1]), head]
    layers: list[list[nn.Module]] = []
    for _, module in body:
        if layers and not _weighs(module):
            layers[-1].append(module)
        else:
            layers.append([module])
    return [*layers, head]


def _is_head(name: str) -> bool:
    return name in _HEADS or "head" in name


def _weighs(module: nn.Module) -> bool:
    """Whether it has layers of its own, unlike a norm or an activation."""
    return any(isinstance(m, _WEIGHING) for m in module.modules())
