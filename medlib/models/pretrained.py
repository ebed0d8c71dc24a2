"""Weights that were learned elsewhere, and a plain account of which of them fitted."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from medlib.models.inflation import inflated, with_inputs
from medlib.models.weights import WeightsError, read_weights

_UNET_LEVEL = re.compile(
    r"model\.(?P<deeper>(?:1\.submodule\.)*)(?:0\.)?(?P<rest>(?:conv|residual)\..*)"
)


@dataclass(frozen=True)
class Loaded:
    """What became of pretrained weights.

    Args:
        matched: tensors of the network that were taken as they are.
        inflated: those taken from 2-D kernels, repeated along depth (I3D).
        adapted: first kernels fitted to another number of input channels.
        left: tensors of the network that are as they were: nothing fitted.
        unused: tensors of the file that fitted nothing.
        share: of the network's parameters, by number of values, that were taken.
    """

    matched: tuple[str, ...]
    inflated: tuple[str, ...]
    adapted: tuple[str, ...]
    left: tuple[str, ...]
    unused: tuple[str, ...]
    share: float

    def __str__(self) -> str:
        percent = math.floor(100 * self.share)  # all is said only of all
        parts = [f"{percent}% of the network's weights are pretrained"]
        for names, done in (
            (self.inflated, "inflated from 2-D"),
            (self.adapted, "fitted to other input channels"),
            (self.left, "left as they were"),
            (self.unused, "of the file not used"),
        ):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                parts.append(f"{len(names)} tensors {done}: {', '.join(names[:3])}{more}")
        return "; ".join(parts)


def load_pretrained(network: nn.Module, source: str | Path) -> Loaded:
    """Give a network the weights that fit it, and say which did.

    Weights are found by name, also where all names on either side begin with something more
    (``module.``, ``encoder.``); the encoder of a residual U-Net is found in the whole U-Net.
    Taken are those of the same shape; 2-D kernels where the network has 3-D ones, repeated along
    depth (see :mod:`medlib.models.inflation`); and kernels that see the image itself, if it
    has another number of channels. Everything else, such as a head for another number of
    classes, stays as it is. A head for as many is taken, whatever its classes were: train before
    you predict.

    Args:
        network: changed in place.
        source: the name of weights that come with the library (:func:`medlib.models.shipped`); a
            file of weights (safetensors; or a checkpoint of PyTorch that holds nothing but tensors), a model package, a folder with either, or a repository of the Hugging Face
            hub, ``hf://owner/name``, ``hf://owner/name@revision/file.safetensors``, which is
            downloaded.

    Returns:
        What was taken and what was not. Read it: a network that is mostly left as it was has
        learned nothing from elsewhere.

    Raises:
        FileNotFoundError: when there is nothing at ``source``.
        WeightsError: when the file is no weights, would have to be run to be read, or fits the
            network nowhere.

    Example:
        >>> import tempfile
        >>> from safetensors.torch import save_file
        >>> file = Path(tempfile.mkdtemp()) / "weights.safetensors"
        >>> save_file(nn.Conv2d(3, 4, 3).state_dict(), file)
        >>> print(load_pretrained(nn.Conv3d(1, 4, 3), file))  # doctest: +NORMALIZE_WHITESPACE
        100% of the network's weights are pretrained; 1 tensors inflated from 2-D: weight;
        1 tensors fitted to other input channels: weight
    """
    weights = read_weights(source)
    own = network.state_dict()
    kernels = _kernels(network)
    readings = (weights, _encoder_of_unet(weights))
    fitted = max((_best_fit(r, own, kernels) for r in readings), key=lambda fit: _size(fit, own))
    parameters = {name: p.numel() for name, p in network.named_parameters()}
    taken = sum(parameters.get(name, 0) for name in fitted)
    if not taken:
        raise WeightsError(
            f"{source}: none of its {len(weights)} tensors fits the network in name and shape "
            f"(it has {_few(weights)}; the network has {_few(own)}): is it another architecture?"
        )
    new = {name: fit.tensor.to(own[name].dtype) for name, fit in fitted.items()}
    network.load_state_dict(own | new)
    used = {id(fit.source) for fit in fitted.values()}
    return Loaded(
        matched=tuple(n for n, f in fitted.items() if not (f.inflated or f.adapted)),
        inflated=tuple(n for n, f in fitted.items() if f.inflated),
        adapted=tuple(n for n, f in fitted.items() if f.adapted),
        left=tuple(n for n in own if n not in fitted),
        unused=tuple(n for n, tensor in weights.items() if id(tensor) not in used),
        share=taken / sum(parameters.values()),
    )


# --- fitting ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fit:
    """A tensor for the network, the one it was made of, and what was done to it."""

    tensor: Tensor
    source: Tensor
    inflated: bool = False
    adapted: bool = False


Kernels = Mapping[str, int]  # names of a network's kernels, and the channels that they see


def _best_fit(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], kernels: Kernels
) -> dict[str, _Fit]:
    """The fitting weights, under those beginnings of names by which most of them fit."""
    fits = (
        _fit(_renamed(weights, theirs, ours), own, kernels)
        for theirs in _starts(weights)
        for ours in _starts(own)
    )
    return max(fits, key=lambda fit: _size(fit, own))


def _fit(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], kernels: Kernels
) -> dict[str, _Fit]:
    seen = {n: k for n, k in kernels.items() if n in weights and weights[n].ndim in (4, 5)}
    # Channels of the images, elsewhere and here: what the network's first kernel takes.
    images = [(weights[n].shape[1], k) for n, k in [*kernels.items()][:1] if n in seen]
    fits = {
        name: _fitted(weights[name], own[name], seen.get(name), images)
        for name in own
        if name in weights
    }
    return {name: fit for name, fit in fits.items() if fit is not None}


def _fitted(
    weight: Tensor, own: Tensor, sees: int | None, images: list[tuple[int, int]]
) -> _Fit | None:
    """A weight as the network can take it, or None."""
    fit = _Fit(weight, weight)
    if sees is not None and (weight.ndim, own.ndim) == (4, 5):
        fit = replace(fit, tensor=inflated(weight, own.shape[2]), inflated=True)
    if sees is not None and weight.shape[1] != sees and (weight.shape[1], sees) in images:
        fit = replace(fit, tensor=with_inputs(fit.tensor, sees), adapted=True)
    return fit if fit.tensor.shape == own.shape else None


def _kernels(network: nn.Module) -> dict[str, int]:
    """Plain convolutions: transposed ones and those in groups are laid out in other ways."""
    return {
        f"{name}.weight" if name else "weight": module.in_channels
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Conv3d) and module.groups == 1
    }


def _renamed(weights: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    return {new + n.removeprefix(old): w for n, w in weights.items() if n.startswith(old)}


def _starts(names: Iterable[str]) -> list[str]:
    """Beginnings that many of the names share, nothing first."""
    names = list(names)
    starts = Counter(start for name in names for start in _beginnings(name))
    return ["", *(start for start, count in starts.items() if 5 * count >= len(names))]


def _beginnings(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:n]) + "." for n in range(1, min(3, len(parts))))


def _encoder_of_unet(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's weights of MONAI's nested ``UNet``, by level: ``0.conv…`` is the finest."""
    levels = ((_UNET_LEVEL.fullmatch(name), tensor) for name, tensor in weights.items())
    return {
        f"{found['deeper'].count('submodule')}.{found['rest']}": tensor
        for found, tensor in levels
        if found is not None
    }


def _size(fit: Mapping[str, _Fit], own: Mapping[str, Tensor]) -> int:
    return sum(own[name].numel() for name in fit)


def _few(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:3])
