"""Networks by name: the only ones that a model file can ask for.

Each takes (batch, channel, slice, row, column). Those that answer for each voxel give logits of
the same spatial size; those that answer for a study give (batch, outputs). A radiograph has one
slice.

============  ========  ===========================================================================
name          answers   what it is
============  ========  ===========================================================================
``unet``      a voxel   U-Net with residual units, Kerfoot et al. 2019
``dynunet``   a voxel   U-Net with a residual encoder and deep supervision, Isensee et al. 2021
``segresnet`` a voxel   Myronenko 2018
``swinunetr`` a voxel   Hatamizadeh et al. 2022
``encoder``   a study   the encoder of ``unet``, pooled
``resnet``    a study   3-D residual network, He et al. 2016
``densenet``  a study   3-D densely connected network, Huang et al. 2017
``slices``    a study   a 2-D network of torchvision or timm on each slice, pooled
============  ========  ===========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from medlib.models import libraries, studies

Strides = tuple[tuple[int, int, int], ...]
Triple = tuple[int, int, int]
DENSENETS: Mapping[int, tuple[int, ...]] = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
}


_SWIN_PATCH = 2  # the decoder doubles sizes, whatever a patch is


@dataclass(frozen=True)
class Family:
    """What there is to know of all networks of one name.

    Args:
        build: from the channels in and out, and arguments by name, to a network.
        divisor: from the arguments to what each spatial size must be a multiple of.
        per_study: whether it gives one answer a study, or else one a voxel.
    """

    build: Callable[..., nn.Module]
    divisor: Callable[[Mapping[str, Any]], Triple]
    per_study: bool


def _unet(in_channels: int, out_channels: int, **arguments: Any) -> nn.Module:
    from medlib.models.unets import ResidualUNet

    network: nn.Module = ResidualUNet(in_channels, out_channels, **arguments)
    return network


def _dynunet(in_channels: int, out_channels: int, **arguments: Any) -> nn.Module:
    from medlib.models.unets import DeepUNet

    network: nn.Module = DeepUNet(in_channels, out_channels, **arguments)
    return network


def _segresnet(in_channels: int, out_channels: int, **arguments: Any) -> nn.Module:
    from monai.networks.nets import SegResNet

    network: nn.Module = SegResNet(
        spatial_dims=3, in_channels=in_channels, out_channels=out_channels, **arguments
    )
    return network


def _swinunetr(in_channels: int, out_channels: int, **arguments: Any) -> nn.Module:
    libraries.einops()
    from monai.networks.nets import SwinUNETR

    network: nn.Module = SwinUNETR(
        in_channels, out_channels, spatial_dims=3, patch_size=_SWIN_PATCH, **arguments
    )
    return network


def _by_strides(arguments: Mapping[str, Any]) -> Triple:
    a, b, c = (math.prod(along) for along in zip(*arguments["strides"], strict=True))
    return a, b, c


def _by_blocks(arguments: Mapping[str, Any]) -> Triple:
    return (2 ** (len(arguments.get("blocks_down", (1, 2, 2, 4))) - 1),) * 3


def _by_patches(arguments: Mapping[str, Any]) -> Triple:
    return (_SWIN_PATCH**5,) * 3


def _by_pools(arguments: Mapping[str, Any]) -> Triple:
    return (2 ** (len(arguments.get("block_config", DENSENETS[121])) + 1),) * 3


def _any(arguments: Mapping[str, Any]) -> Triple:
    return 1, 1, 1


def _images(arguments: Mapping[str, Any]) -> Triple:
    return 1, 32, 32


ARCHITECTURES: Mapping[str, Family] = {
    "unet": Family(_unet, _by_strides, per_study=False),
    "dynunet": Family(_dynunet, _by_strides, per_study=False),
    "segresnet": Family(_segresnet, _by_blocks, per_study=False),
    "swinunetr": Family(_swinunetr, _by_patches, per_study=False),
    "encoder": Family(studies.unet_encoder, _by_strides, per_study=True),
    "resnet": Family(studies.resnet, _any, per_study=True),
    "densenet": Family(studies.densenet, _by_pools, per_study=True),
    "slices": Family(studies.slices, _images, per_study=True),
}


@dataclass(frozen=True)
class Architecture:
    """A network's name and arguments, as plain values.

    Args:
        name: a key of :data:`ARCHITECTURES`.
        arguments: passed on to it, beside the channel counts.

    Raises:
        ValueError: for a name that is not among them.

    Example:
        >>> small = Architecture.residual_unet(channels=(8, 16, 32))
        >>> sum(p.numel() for p in small.build(1, 3).parameters()) // 1000
        71
        >>> small.divisor
        (4, 4, 4)
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in ARCHITECTURES:
            raise ValueError(
                f"no architecture is called {self.name!r}; there are: {', '.join(ARCHITECTURES)}"
            )

    # --- one answer a voxel ---------------------------------------------------------------

    @classmethod
    def residual_unet(
        cls,
        *,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        strides: Strides | None = None,
        units: int = 2,
        coarser: int = 0,
    ) -> Architecture:
        """The U-Net with residual units of Kerfoot et al. 2019 (:class:`~medlib.models.unets.ResidualUNet`).

        Args:
            channels: of each level, from the finest.
            strides: between levels, one fewer than levels; left out, 2 along every axis.
            units: residual units a level.
            coarser: how many coarser levels answer in training too (deep supervision).
        """
        levels = _levels(channels, strides)
        return cls("unet", levels | {"num_res_units": units, "coarser": coarser})

    @classmethod
    def dynunet(
        cls,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 320),
        strides: Strides | None = None,
        kernels: Strides | None = None,
        coarser: int = 0,
    ) -> Architecture:
        """The U-Net with a residual encoder of Isensee et al. 2021 (:class:`~medlib.models.unets.DeepUNet`).

        Args:
            channels: of each level, from the finest; three levels or more.
            strides: between levels, one fewer than levels; left out, 2 along every axis.
            kernels: of each level; left out, 3 along every axis.
            coarser: how many coarser levels answer in training too (deep supervision).
        """
        wide = {"kernels": [list(kernel) for kernel in kernels]} if kernels is not None else {}
        return cls("dynunet", _levels(channels, strides) | wide | {"coarser": coarser})

    @classmethod
    def segresnet(cls, *, filters: int = 16) -> Architecture:
        """The residual network of Myronenko 2018, without its autoencoder.

        Args:
            filters: channels at the finest level, a multiple of 8.
        """
        return cls("segresnet", {"init_filters": filters})

    @classmethod
    def swinunetr(cls, *, features: int = 24) -> Architecture:
        """The U-Net on a Swin transformer of Hatamizadeh et al. 2022.

        Args:
            features: at the finest level, a multiple of 12.
        """
        return cls("swinunetr", {"feature_size": features})

    # --- one answer a study ---------------------------------------------------------------

    @classmethod
    def encoder(
        cls,
        *,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        strides: Strides | None = None,
        units: int = 2,
        dropout: float = 0.0,
    ) -> Architecture:
        """The encoder of :meth:`residual_unet`, pooled: its weights fit, and are worth taking.

        Args:
            channels: of each level, from the finest.
            strides: between levels, one fewer than levels; left out, 2 along every axis.
            units: residual units a level.
            dropout: share of pooled features that are left out in training.
        """
        levels = _levels(channels, strides)
        return cls("encoder", levels | {"num_res_units": units, "dropout": dropout})

    @classmethod
    def resnet(cls, depth: int = 18, *, width: int = 64) -> Architecture:
        """A 3-D residual network, in which 2-D weights of the same depth fit once inflated.

        Args:
            depth: 10, 18, 34, 50, 101 or 152 layers.
            width: channels at the finest level.
        """
        return cls("resnet", {"depth": depth, "width": width})

    @classmethod
    def densenet(cls, depth: int = 121) -> Architecture:
        """A 3-D densely connected network of 121, 169 or 201 layers.

        Raises:
            ValueError: for another depth.
        """
        if depth not in DENSENETS:
            raise ValueError(
                f"densely connected networks have {', '.join(map(str, DENSENETS))} layers, "
                f"not {depth}"
            )
        return cls("densenet", {"block_config": list(DENSENETS[depth])})

    @classmethod
    def slices(
        cls, backbone: str = "timm/resnet18", *, pool: str = "attention", dropout: float = 0.0
    ) -> Architecture:
        """A 2-D network on each slice of a study, pooled (2.5-D).

        Args:
            backbone: the library, a slash, its name for the network: ``"torchvision/resnet18"``.
            pool: how slices are weighed: ``"mean"`` or ``"attention"``.
            dropout: share of pooled features that are left out in training.
        """
        return cls("slices", {"backbone": backbone, "pool": pool, "dropout": dropout})

    @classmethod
    def radiograph(cls, backbone: str = "timm/resnet18", *, dropout: float = 0.0) -> Architecture:
        """A 2-D network on a radiograph, which is a study of one slice.

        Args:
            backbone: the library, a slash, its name for the network.
            dropout: share of features that are left out in training.
        """
        return cls.slices(backbone, pool="mean", dropout=dropout)

    # --- any ------------------------------------------------------------------------------

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """A new network with random weights.

        Raises:
            ValueError: for arguments that make no network.
            TypeError: for arguments that it does not have.
            ImportError: when its library is not installed.
        """
        return ARCHITECTURES[self.name].build(in_channels, out_channels, **self.arguments)

    @property
    def divisor(self) -> Triple:
        """What each spatial size must be a multiple of, and one of them larger than.

        The larger one is for the norms: at the coarsest level they need more than one voxel.
        """
        return ARCHITECTURES[self.name].divisor(self.arguments)

    @property
    def per_study(self) -> bool:
        """Whether it gives one answer a study, (batch, outputs), or else one a voxel."""
        return ARCHITECTURES[self.name].per_study


def _levels(channels: Sequence[int], strides: Strides | None) -> dict[str, Any]:
    steps = strides if strides is not None else ((2, 2, 2),) * (len(channels) - 1)
    return {"channels": list(channels), "strides": [list(step) for step in steps]}
