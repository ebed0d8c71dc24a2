"""The predictor: all that is needed to go from a scan to a mask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medlib.infer.window import Shape, sliding_window
from medlib.space import Grid
from medlib.transforms import Item, Move, Pipeline, Sampler, Trail
from medlib.transforms.labels.voting import strongest
from medlib.types import Labels, Mask, Volume


@dataclass(frozen=True)
class Predictor:
    """A network with what was done to the scans that it was trained on.

    Args:
        network: from (1, channel, …) to logits (1, 1 + labels, …), background first.
        preprocess: what is done to a scan before the network sees it.
        kind: of scan that the network was trained on; others are refused.
        labels: in the order of the network's channels.
        window: size that the network sees at a time.
        overlap: of neighbouring windows.
        autocast: dtype of the network's arithmetic, or None for float32.
    """

    network: nn.Module
    preprocess: Pipeline
    kind: type[Volume]
    labels: Labels
    window: Shape
    overlap: float = 0.5
    autocast: torch.dtype | None = None

    def predict(self, scan: Volume) -> Mask:
        """The mask of ``scan``, on exactly its grid.

        Raises:
            ValueError: when the scan is not of the kind that the network was trained on.
        """
        if not isinstance(scan, self.kind):
            raise ValueError(
                f"this model was trained on {self.kind.__name__}, and the scan is a "
                f"{type(scan).__name__}; read it as one, if that is what it is"
            )
        return self.decode(self.preprocess(Item((scan,))), scan.grid)

    def decode(self, item: Item, native: Grid) -> Mask:
        """The mask of a preprocessed item, on its scan's own grid."""
        scan = item.values[0]
        assert isinstance(scan, Volume)
        return decode_mask(self.logits(scan), item.trail, self.labels, native)

    @torch.inference_mode()
    def logits(self, scan: Volume) -> Tensor:
        """(1 + labels, slice, row, column) of a preprocessed scan, on its grid."""
        device = next(self.network.parameters()).device
        with _evaluating(self.network), torch.autocast(
            device.type, dtype=self.autocast, enabled=self.autocast is not None
        ):  # fmt: skip
            data = scan.data.float().to(device)
            return sliding_window(
                self.network, data, self.window, overlap=self.overlap, fill=scan.background
            )


def decode_mask(logits: Tensor, trail: Trail, labels: Labels, native: Grid) -> Mask:
    """The most likely label of each voxel of the native grid.

    Each class is interpolated by itself, one after another, so that never more than two lie in
    memory at the native size; ids are never averaged.

    Args:
        logits: (1 + labels, slice, row, column), on the grid at the trail's end.
        trail: the way that the scan has gone.
        labels: in the order of the channels after background.
        native: the grid at the trail's beginning.
    """
    dtype = torch.uint8 if max(labels.ids, default=0) < 256 else torch.int32
    ids = (0, *labels.ids)
    probabilities = torch.softmax(logits.float(), 0).cpu()
    back = Sampler(trail.way_back() or Move(native, native))
    classes = (
        (i, back.linear(p[None], fill=float(i == 0))[0])  # unseen is certainly background
        for i, p in zip(ids, probabilities, strict=True)
    )
    return trail.named_back(Mask(strongest(classes, dtype)[None], native, labels))


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, and afterwards as it was."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
