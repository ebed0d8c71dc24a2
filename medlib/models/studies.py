"""Networks that give one answer a study: (batch, outputs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medlib.models.libraries import timm, torchvision

POOLS = ("mean", "attention")
RESNETS: Mapping[int, tuple[str, tuple[int, int, int, int]]] = {
    10: ("basic", (1, 1, 1, 1)),
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}


class StudyNet(nn.Module):
    """An encoder, and a head on its features.

    The head sees the mean and the maximum of each feature over the study: what is small, as a
    nodule is, vanishes in a mean.

    Args:
        encoder: from (batch, channel, …) to (batch, features, …).
        features: of the encoder.
        out_channels: outputs.
        dropout: share of pooled features that are left out in training.

    Example:
        >>> network = StudyNet(nn.Conv3d(1, 4, 3), 4, 2)
        >>> network(torch.zeros(5, 1, 8, 8, 8)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, encoder: nn.Module, features: int, out_channels: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * features, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, outputs)."""
        features = self.encoder(x).flatten(2)
        logits: Tensor = self.head(torch.cat((features.mean(-1), features.amax(-1)), 1))
        return logits


class SliceNet(nn.Module):
    """A 2-D network on each slice, and one answer from all of them (2.5-D).

    A radiograph is a study of one slice.

    Args:
        encoder: from (images, channel, row, column) to (images, features).
        features: of the encoder.
        out_channels: outputs.
        pool: how slices are weighed: ``"mean"``, or ``"attention"``, learned from their features
            (Ilse et al. 2018).
        dropout: share of pooled features that are left out in training.

    Raises:
        ValueError: for another pool.

    Example:
        >>> encoder = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> network = SliceNet(encoder, 4, 2, pool="attention")
        >>> network(torch.zeros(5, 1, 3, 8, 8)).shape
        torch.Size([5, 2])
    """

    spatial_dims = 3  # of what it is given, though what it is made of sees two

    def __init__(
        self,
        encoder: nn.Module,
        features: int,
        out_channels: int,
        *,
        pool: str = "attention",
        dropout: float = 0.0,
    ) -> None:
        if pool not in POOLS:
            raise ValueError(f"slices are pooled by {' or '.join(POOLS)}, not {pool!r}")
        super().__init__()
        self.encoder = encoder
        self.attention_head = (
            nn.Sequential(nn.Linear(features, 128), nn.Tanh(), nn.Linear(128, 1))
            if pool == "attention"
            else None
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, outputs), from (batch, channel, slice, row, column)."""
        images = x.movedim(2, 1)
        features = self.encoder(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        if self.attention_head is None:
            pooled = features.mean(1)
        else:
            pooled = (self.attention_head(features).softmax(1) * features).sum(1)
        logits: Tensor = self.head(pooled)
        return logits


def unet_encoder(
    in_channels: int,
    out_channels: int,
    *,
    channels: Sequence[int],
    strides: Sequence[Sequence[int]],
    num_res_units: int,
    dropout: float = 0.0,
) -> StudyNet:
    """The encoder of the residual U-Net, and a head."""
    from medlib.models.unets import ResidualUNet, encoder_of

    whole = ResidualUNet(
        in_channels, 1, channels=channels, strides=strides, num_res_units=num_res_units
    )
    return StudyNet(encoder_of(whole), channels[-1], out_channels, dropout=dropout)


def resnet(in_channels: int, out_channels: int, *, depth: int, width: int = 64) -> nn.Module:
    """The 3-D residual network of MONAI, with the strides and weights' names of torchvision's."""
    from monai.networks.nets import ResNet

    if depth not in RESNETS:
        raise ValueError(f"residual networks have {', '.join(map(str, RESNETS))} layers: {depth}")
    block, layers = RESNETS[depth]
    network: nn.Module = ResNet(
        block,
        list(layers),
        [width, 2 * width, 4 * width, 8 * width],
        n_input_channels=in_channels,
        num_classes=out_channels,
        conv1_t_stride=2,
        bias_downsample=False,
    )
    return network


def densenet(in_channels: int, out_channels: int, **arguments: Any) -> nn.Module:
    """The 3-D densely connected network of MONAI."""
    from monai.networks.nets import DenseNet

    network: nn.Module = DenseNet(3, in_channels, out_channels, **arguments)
    return network


def slices(
    in_channels: int,
    out_channels: int,
    *,
    backbone: str,
    pool: str = "attention",
    dropout: float = 0.0,
) -> SliceNet:
    """A 2-D backbone on each slice, and a head."""
    encoder = backbone_2d(backbone, in_channels)
    return SliceNet(
        encoder, _features(backbone, encoder, in_channels), out_channels, pool=pool, dropout=dropout
    )


def backbone_2d(name: str, in_channels: int) -> nn.Module:
    """A network of torchvision or timm with random weights, without its head.

    Args:
        name: the library, a slash, and its name for the network: ``"timm/resnet18"``.
        in_channels: of the images.

    Raises:
        ValueError: for a name that the library does not have.
        ImportError: when the library is not installed.
    """
    library, _, network = name.partition("/")
    if library not in _BACKBONES:
        raise ValueError(f"{name!r}: a backbone begins with {' or '.join(_BACKBONES)} and a slash")
    return _BACKBONES[library](network, in_channels)


def _timm(name: str, in_channels: int) -> nn.Module:
    library = timm()
    # A name with a scheme, such as hf-hub:, would make timm fetch and read files.
    if ":" in name or not library.is_model(name):
        raise ValueError(f"timm has no network called {name!r}; timm.list_models() names them")
    network: nn.Module = library.create_model(name, in_chans=in_channels, num_classes=0)
    return network


def _torchvision(name: str, in_channels: int) -> nn.Module:
    models = torchvision().models
    if name not in models.list_models(module=models):
        raise ValueError(
            f"torchvision has no classification network called {name!r}; "
            "torchvision.models.list_models() names them"
        )
    network: nn.Module = models.get_model(name, weights=None)
    parts = list(network.named_modules())
    first, old = next((n, m) for n, m in parts if isinstance(m, nn.Conv2d))
    if old.in_channels != in_channels:
        network.set_submodule(
            first,
            nn.Conv2d(
                in_channels,
                old.out_channels,
                old.kernel_size,  # type: ignore[arg-type]
                old.stride,  # type: ignore[arg-type]
                old.padding,  # type: ignore[arg-type]
                bias=old.bias is not None,
            ),
        )
    head = next(n for n, m in reversed(parts) if isinstance(m, nn.Linear))
    network.set_submodule(head, nn.Identity())
    return network


_BACKBONES: Mapping[str, Callable[[str, int], nn.Module]] = {
    "timm": _timm,
    "torchvision": _torchvision,
}


@torch.no_grad()
def _features(name: str, encoder: nn.Module, in_channels: int) -> int:
    """How many features it has: asked of a small image, which all sizes to come are multiples of.

    Raises:
        ValueError: when it sees images of one size only, or gives no vector an image.
    """
    training = encoder.training
    try:
        found = encoder.eval()(torch.zeros(1, in_channels, 32, 32))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(
            f"{name} does not see images of any multiple of 32 pixels; choose a convolutional one"
        ) from error
    finally:
        encoder.train(training)
    if not (isinstance(found, Tensor) and found.ndim == 2):
        raise ValueError(f"{name} does not give one vector of features an image; choose another")
    return found.shape[1]
