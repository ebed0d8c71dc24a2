"""The network that is pretrained: the library's own U-Net, and what it is asked meanwhile."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medlib.models.architectures import Architecture, Strides
from medlib.models.pretraining.configuration import Configuration
from medlib.models.pretraining.solids import FAMILIES
from medlib.models.unets import halves


class Backbone(nn.Module):
    """A residual U-Net that says of each voxel its family, its distance, and what it is like.

    All three are read from the features that the U-Net's head sees, so these are what is learned, and
    the head, which is made anew for whatever is learned next, is not asked. It alone works at full
    size, so that a step takes half as long without it.

    Args:
        channels: of each level, from the finest.
        strides: between levels.
        embedding: numbers by which a voxel is compared.

    Example:
        >>> backbone = Backbone((4, 8), ((2, 2, 2),), 16)
        >>> [tuple(answer.shape) for answer in backbone(torch.zeros(1, 1, 8, 8, 8))]
        [(1, 9, 4, 4, 4), (1, 4, 4, 4), (1, 16, 4, 4, 4)]
    """

    def __init__(self, channels: tuple[int, ...], strides: Strides, embedding: int) -> None:
        super().__init__()
        self.architecture = Architecture.residual_unet(channels=channels, strides=strides)
        self.unet = self.architecture.build(1, 1)
        for parameter in halves(self.unet)[1][-1].parameters():
            parameter.requires_grad_(False)
        seen = 2 * channels[0] if len(channels) > 2 else channels[0] + channels[1]
        self.answers = nn.Conv3d(seen, len(FAMILIES) + 1, 1)
        self.projection = nn.Sequential(
            nn.Conv3d(seen, seen, 1), nn.PReLU(), nn.Conv3d(seen, embedding, 1)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of families, distances from -1 to 1, and unit vectors.

        Args:
            images: (batch, 1, slice, row, column).

        Returns:
            (batch, family, …), (batch, …) and (batch, embedding, …), of every so many voxels, as
            many as the first stride says, from the first on.
        """
        encoder, decoder = halves(self.unet)
        x, skips = images, []
        for down in encoder[:-1]:
            x = down(x)
            skips.append(x)
        seen = torch.cat([skips[-1], encoder[-1](x)], 1)
        for up, skip in zip(decoder, skips[-2::-1]):  # noqa: B905 (all but the head)
            seen = torch.cat([skip, up(seen)], 1)
        said = self.answers(seen)
        alike = nn.functional.normalize(self.projection(seen).float(), dim=1)
        return said[:, :-1], torch.tanh(said[:, -1]), alike


def backbones(configuration: Configuration) -> list[Backbone]:
    """One for each form of the volumes: other strides, and the very same weights."""
    forms = configuration.forms
    made = [Backbone(configuration.channels, f.strides, configuration.embedding) for f in forms]
    for twin in made[1:]:
        for module, other in zip(made[0].modules(), twin.modules(), strict=True):
            for name, parameter in module.named_parameters(recurse=False):
                setattr(other, name, parameter)
    return made
