"""U-Nets of MONAI: how they are built here, and their two halves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.layers.simplelayers import SkipConnection
from monai.networks.nets import DynUNet, UNet
from torch import Tensor, nn


class DeepUNet(DynUNet):  # type: ignore[misc]
    """The dynamic U-Net with a residual encoder, whose coarser levels may answer too.

    It is MONAI's ``DynUNet``, with its names of weights, but for three things. Each weight has
    one name (MONAI's have two, which safetensors refuses to write). Between calls it holds no
    activations, so that it can be copied. In training with deep supervision it gives a list of
    logits, finest first, each at its own size, as nnU-Net does (Isensee et al. 2021), where
    MONAI enlarges the coarser ones and stacks them.

    Args:
        in_channels: of the scan.
        out_channels: classes, background included.
        channels: of each level, from the finest; three levels or more.
        strides: between levels, one fewer than levels.
        kernels: of each level; left out, 3 along every axis.
        coarser: how many coarser levels answer in training too; 0 for none.

    Raises:
        ValueError: when the numbers of channels, strides and kernels do not go together.

    Example:
        >>> import torch
        >>> network = DeepUNet(1, 2, channels=(4, 8, 8), strides=((1, 2, 2), (2, 2, 2)), coarser=1)
        >>> [tuple(logits.shape[2:]) for logits in network(torch.zeros(1, 1, 4, 8, 8))]
        [(4, 8, 8), (4, 4, 4)]
        >>> network.eval()(torch.zeros(1, 1, 4, 8, 8)).shape
        torch.Size([1, 2, 4, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int],
        strides: Sequence[Sequence[int]],
        kernels: Sequence[Sequence[int]] | None = None,
        coarser: int = 0,
    ) -> None:
        kernels = kernels if kernels is not None else [[3, 3, 3]] * len(channels)
        if not len(channels) == len(kernels) == len(strides) + 1 >= 3:
            raise ValueError(
                "this U-Net needs three levels or more, a kernel for each and one stride fewer; "
                f"got {len(channels)} channels, {len(kernels)} kernels, {len(strides)} strides"
            )
        super().__init__(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernels,
            strides=[[1, 1, 1], *strides],
            upsample_kernel_size=strides,
            filters=channels,
            res_block=True,
            deep_supervision=coarser > 0,
            deep_supr_num=max(1, coarser),
        )
        del self.skip_layers, self.heads

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Logits; in training with deep supervision a list of them, finest first."""
        skips = []
        x = self.input_block(x)
        for down in self.downsamples:
            skips.append(x)
            x = down(x)
        skips.append(x)
        x = self.bottleneck(x)
        levels = []
        for up, skip in zip(self.upsamples, reversed(skips), strict=True):
            x = up(x, skip)
            levels.append(x)
        logits: Tensor = self.output_block(x)
        if not (self.training and self.deep_supervision):
            return logits
        coarser = levels[-2::-1]  # from fine to coarse, without the finest
        return [logits, *(head(y) for head, y in zip(self.deep_supervision_heads, coarser))]  # noqa: B905 (fewer heads than levels)


class ResidualUNet(UNet):  # type: ignore[misc]
    """The U-Net with residual units of Kerfoot et al. 2019, whose coarser levels may answer too.

    It is MONAI's ``UNet``, with its names of weights. In training with deep supervision it gives a
    list of logits, finest first, each at its own size (Isensee et al. 2021); the finest level of
    features is already as coarse as the first stride makes it.

    Args:
        in_channels: of the scan.
        out_channels: classes, background included.
        channels: of each level, from the finest.
        strides: between levels, one fewer than levels.
        num_res_units: residual units a level.
        coarser: how many coarser levels answer in training too; 0 for none.

    Raises:
        ValueError: when the numbers of channels, strides and coarser levels do not go together.

    Example:
        >>> import torch
        >>> network = ResidualUNet(
        ...     1, 2, channels=(4, 8, 8), strides=((1, 2, 2), (2, 2, 2)), num_res_units=1, coarser=1
        ... )
        >>> [tuple(logits.shape[2:]) for logits in network(torch.zeros(1, 1, 4, 8, 8))]
        [(4, 8, 8), (4, 4, 4)]
        >>> network.eval()(torch.zeros(1, 1, 4, 8, 8)).shape
        torch.Size([1, 2, 4, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int],
        strides: Sequence[Sequence[int]],
        num_res_units: int,
        coarser: int = 0,
    ) -> None:
        if len(strides) != len(channels) - 1:
            raise ValueError(f"{len(channels)} levels need one stride fewer, got {len(strides)}")
        if not 0 <= coarser < len(strides):
            raise ValueError(f"of {len(channels)} levels {coarser} cannot answer beside the finest")
        super().__init__(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=channels,
            strides=strides,
            num_res_units=num_res_units,
        )
        self.coarser_heads = nn.ModuleList(
            nn.Conv3d(width, out_channels, 1) for width in channels[:coarser]
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Logits; in training with deep supervision a list of them, finest first."""
        if not (self.training and len(self.coarser_heads)):
            logits: Tensor = super().forward(x)
            return logits
        encoder, decoder = halves(self)
        skips = []
        for down in encoder[:-1]:
            x = down(x)
            skips.append(x)
        x = encoder[-1](x)
        levels: list[Tensor] = []
        for up, skip in zip(decoder, reversed(skips), strict=True):
            x = up(torch.cat([skip, x], 1))
            levels.insert(0, x)
        finest, *coarse = levels
        return [finest, *(head(y) for head, y in zip(self.coarser_heads, coarse))]  # noqa: B905 (fewer heads than levels)


def halves(network: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """The encoder's levels from fine to coarse, and the decoder's from coarse to fine.

    Raises:
        TypeError: when ``network`` is no U-Net that is known here.

    Example:
        >>> network = ResidualUNet(1, 2, channels=(4, 8), strides=[[2, 2, 2]], num_res_units=1)
        >>> encoder, decoder = halves(network)
        >>> len(encoder), len(decoder)
        (2, 1)
    """
    if isinstance(network, UNet):
        return _unnested(network.model)
    if isinstance(network, DynUNet):
        encoder = [network.input_block, *network.downsamples, network.bottleneck]
        return encoder, list(network.upsamples)
    raise TypeError(
        f"{type(network).__name__} is none of the U-Nets whose encoder can be told apart: "
        "MONAI's UNet and DynUNet"
    )


def encoder_of(network: nn.Module) -> nn.Sequential:
    """The encoder of a U-Net: the very same weights, by which a study-level network can start.

    Args:
        network: MONAI's ``UNet`` or ``DynUNet``.

    Returns:
        From (batch, channel, slice, row, column) to the features at the coarsest level.

    Example:
        >>> network = ResidualUNet(1, 2, channels=(4, 8), strides=[[2, 2, 2]], num_res_units=1)
        >>> import torch
        >>> encoder_of(network)(torch.zeros(1, 1, 4, 4, 4)).shape
        torch.Size([1, 8, 2, 2, 2])
    """
    return nn.Sequential(*halves(network)[0])


def _unnested(part: Any) -> tuple[list[nn.Module], list[nn.Module]]:
    """MONAI nests levels as (down, skip around what is deeper, up)."""
    if not (isinstance(part, nn.Sequential) and isinstance(part[1], SkipConnection)):
        return [part], []
    encoder, decoder = _unnested(part[1].submodule)
    return [part[0], *encoder], [*decoder, part[2]]
