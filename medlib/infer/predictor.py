"""The predictor: all that is needed to go from a scan to what a network finds in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from medlib.infer.outputs import MaskOutput, Output
from medlib.infer.window import Shape, sliding_window
from medlib.models import call
from medlib.space import Grid
from medlib.transforms import Item, Move, Pipeline, Sampler, Trail
from medlib.transforms.labels.voting import strongest
from medlib.types import Kind, Labels, Mask, MultiVolume, Volume


@dataclass(frozen=True)
class Predictor:
    """A network with what was done to the scans that it was trained on.

    Args:
        network: from (1, channel, …) to as many numbers, or maps of them, as ``output`` asks for.
        preprocess: what is done to a scan before the network sees it.
        kind: of scan that the network was trained on; others are refused.
        output: what the network's numbers stand for.
        window: size that the network sees at a time.
        overlap: of neighbouring windows.
        autocast: dtype of the network's arithmetic, or None for float32.
    """

    network: nn.Module
    preprocess: Pipeline
    kind: type[Volume | MultiVolume]
    output: Output
    window: Shape
    overlap: float = 0.5
    autocast: torch.dtype | None = None

    def predict(self, scan: Volume | MultiVolume) -> Kind:
        """What the network finds in ``scan``: a mask, landmarks or boxes where they are in it.

        Raises:
            ValueError: when the scan is not of the kind that the network was trained on.
        """
        if not isinstance(scan, self.kind):
            raise ValueError(
                f"this model was trained on {self.kind.__name__}, and the scan is a "
                f"{type(scan).__name__}; read it as one, if that is what it is"
            )
        return self.decode(self.preprocess(Item((scan,))), scan.grid)

    def decode(self, item: Item, native: Grid) -> Kind:
        """What the network finds in a preprocessed item, on its scan's own grid.

        Raises:
            ValueError: when the network gives something else than its output asks for; or must see
                the whole scan at once, and that is larger than any it has learned from.
        """
        scan = item.values[0]
        assert isinstance(scan, Volume | MultiVolume)
        if isinstance(self.output, MaskOutput):
            return decode_mask(self.logits(scan), item.trail, self.output.labels, native)
        self._check_size(scan.grid)
        with self._calm() as device:
            raw = call(self.network, scan.data.float()[None].to(device)).float()
            answer = self.output.answer(checked(raw, self.output), [scan.grid])
        found: Kind = item.trail.decode(self.output.wrap(answer[0], scan.grid))
        return found

    def _check_size(self, grid: Grid) -> None:
        """Refuse what is larger than the window: cut to it, what was asked for may be lost."""
        if any(n > w for n, w in zip(grid.shape, self.window, strict=True)):
            size, seen = (
                " × ".join(f"{n * s:.0f}" for n, s in zip(shape, grid.spacing, strict=True))
                for shape in (grid.shape, self.window)
            )
            raise ValueError(
                f"the scan is {size} mm large (slice × row × column), and this model answers for "
                f"scans of up to {seen} mm, as it learned from; crop it to the part in question"
            )

    def logits(self, scan: Volume | MultiVolume) -> Tensor:
        """(channel, slice, row, column) of a preprocessed scan, on its grid, window by window."""
        with self._calm() as device:
            data = scan.data.float().to(device)
            background = scan.background if isinstance(scan, Volume) else 0.0
            return sliding_window(
                partial(call, self.network),
                data,
                self.window,
                overlap=self.overlap,
                fill=background,
            )

    @contextmanager
    def _calm(self) -> Iterator[torch.device]:
        """The network in evaluation mode, without gradients; afterwards it is as it was."""
        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode(), torch.autocast(
                device.type, dtype=self.autocast, enabled=self.autocast is not None
            ):  # fmt: skip
                yield device
        finally:
            self.network.train(training)


def checked(raw: Tensor, output: Output) -> Tensor:
    """A network's numbers, if there are as many as the output asks for.

    Raises:
        ValueError: saying what the network gave, and what it should.
    """
    axes = 5 if output.voxelwise else 2
    if raw.ndim != axes or raw.shape[1] != output.channels:
        shape = "(item, channel, slice, row, column)" if output.voxelwise else "(item, channel)"
        raise ValueError(
            f"for {type(output).__name__} a network has to give {shape} with {output.channels} "
            f"channels, and this one gives {tuple(raw.shape)}"
        )
    return raw


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
