"""Networks by name: the only ones that a model file can ask for.

All are MONAI's. Each takes (batch, channel, slice, row, column) and gives logits of the same
spatial size, provided that sizes are multiples of :attr:`Architecture.divisor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

Strides = tuple[tuple[int, int, int], ...]


def _unet(in_channels: int, out_channels: int, **arguments: Any) -> nn.Module:
    from monai.networks.nets import UNet

    network: nn.Module = UNet(
        spatial_dims=3, in_channels=in_channels, out_channels=out_channels, **arguments
    )
    return network


def _segresnet(in_channels: int, out_channels: int, **arguments: Any) -> nn.Module:
    from monai.networks.nets import SegResNet

    network: nn.Module = SegResNet(
        spatial_dims=3, in_channels=in_channels, out_channels=out_channels, **arguments
    )
    return network


ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {"unet": _unet, "segresnet": _segresnet}


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
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in ARCHITECTURES:
            raise ValueError(
                f"no architecture is called {self.name!r}; there are: {', '.join(ARCHITECTURES)}"
            )

    @classmethod
    def residual_unet(
        cls,
        *,
        channels: tuple[int, ...] = (16, 32, 64, 128, 256),
        strides: Strides | None = None,
        units: int = 2,
    ) -> Architecture:
        """The U-Net with residual units of Kerfoot et al. 2019 (MONAI's ``UNet``).

        Args:
            channels: of each level, from the finest.
            strides: between levels, one fewer than levels; left out, 2 along every axis.
            units: residual units a level.
        """
        steps = strides if strides is not None else ((2, 2, 2),) * (len(channels) - 1)
        return cls(
            "unet",
            {
                "channels": list(channels),
                "strides": [list(step) for step in steps],
                "num_res_units": units,
            },
        )

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """A new network with random weights."""
        return ARCHITECTURES[self.name](in_channels, out_channels, **self.arguments)

    @property
    def divisor(self) -> tuple[int, int, int]:
        """What each spatial size must be a multiple of."""
        if self.name == "segresnet":
            halvings = len(self.arguments.get("blocks_down", (1, 2, 2, 4))) - 1
            return (2**halvings,) * 3
        divisor = [1, 1, 1]
        for step in self.arguments["strides"]:
            divisor = [d * s for d, s in zip(divisor, step, strict=True)]
        return divisor[0], divisor[1], divisor[2]
