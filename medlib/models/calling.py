"""One call for any network: plain modules, MONAI's, torchvision's, timm's, Hugging Face's.

What a network takes it says itself, by the protocols of these libraries; what it gives is read
by :func:`read_output`, to which other kinds of output can be added.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DataParallel, DistributedDataParallel

from medlib.types import verb


@dataclass(frozen=True)
class ModelOutput:
    """What a network gave.

    Args:
        logits: (batch, classes, slice, row, column), or (batch, outputs) of each study.
        coarser: logits of coarser levels, from fine to coarse, under deep supervision.
        loss: the network's own, where it was given labels and has one.
    """

    logits: Tensor
    coarser: tuple[Tensor, ...] = ()
    loss: Tensor | None = None


@verb
def read_output(output: Any) -> ModelOutput:
    """What a network gave, in one form.

    ================  ==============================================================================
    a tensor          logits
    a list or tuple   logits under deep supervision, finest first
    a mapping         ``logits`` and perhaps ``loss``, as Hugging Face's models give, or ``out``, as
                      torchvision's segmentation models give
    ================  ==============================================================================

    Register an implementation for another type to teach the library a network that gives it.

    Raises:
        TypeError: for another type.
        ValueError: when a mapping or list holds something else.

    Example:
        >>> import torch
        >>> read_output({"out": torch.zeros(1, 2), "aux": torch.ones(1, 2)}).logits
        tensor([[0., 0.]])
    """
    raise AssertionError


@read_output.register
def _(output: ModelOutput) -> ModelOutput:
    return output


@read_output.register
def _(output: Tensor) -> ModelOutput:
    return ModelOutput(output)


@read_output.register
def _(output: list | tuple) -> ModelOutput:  # type: ignore[type-arg]
    if not output or not all(isinstance(o, Tensor) and o.ndim > 1 for o in output):
        raise ValueError(
            "the network gave a list of other things than logits, finest first; give one tensor, "
            "or register its type with medlib.models.read_output"
        )
    return ModelOutput(output[0], tuple(output[1:]))


@read_output.register
def _(output: Mapping) -> ModelOutput:  # type: ignore[type-arg]
    logits = next((output[name] for name in ("logits", "out") if name in output), None)
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"the network gave {', '.join(map(str, output)) or 'nothing'}, and neither logits nor "
            "out: take a model with a head for the task (a ForImageClassification, say)"
        )
    return ModelOutput(logits, loss=output.get("loss"))


def call(network: nn.Module, x: Tensor) -> Tensor:
    """Logits of a batch, from any network.

    Args:
        network: see :func:`outputs`.
        x: (batch, channel, slice, row, column).

    Returns:
        (batch, classes, slice, row, column), or (batch, outputs) of each study.

    Example:
        >>> import torch
        >>> call(nn.Conv2d(1, 2, 1), torch.zeros(3, 1, 1, 8, 8)).shape  # radiographs
        torch.Size([3, 2, 1, 8, 8])
    """
    return outputs(network, x).logits


def outputs(network: nn.Module, x: Tensor, labels: Tensor | None = None) -> ModelOutput:
    """All that a network gives for a batch.

    A 2-D network, which is one whose first convolution is, sees studies of one slice, as
    radiographs are, without that axis; its logits of pixels get it back. A network that is made
    of 2-D parts and takes whole studies says so by ``spatial_dims = 3``. Logits that a Hugging
    Face model gives at a part of the image's size (SegFormer: a quarter) are interpolated
    to the whole, as its own loss does.

    Args:
        network: called with the batch; one with ``main_input_name``, as Hugging Face's have, by
            that name.
        x: (batch, channel, slice, row, column).
        labels: passed on when the network takes ``labels``, else left to the caller's loss; in
            the shape that the network asks for, or (batch, 1, slice, row, column) class numbers
            for a 2-D network.

    Raises:
        ValueError: when a 2-D network is given studies of several slices, or the output cannot be
            read.
        TypeError: when the output is of a type that nothing was registered for.

    Example:
        >>> import torch
        >>> class Supervised(nn.Conv3d):
        ...     def forward(self, x):
        ...         return [super().forward(x), super().forward(x[..., ::2])]
        >>> outputs(Supervised(1, 2, 1), torch.zeros(1, 1, 4, 4, 4)).coarser[0].shape
        torch.Size([1, 2, 4, 4, 2])
    """
    bare = _bare(network)
    flat = x.ndim == 5 and _spatial_dims(bare) == 2
    if flat and x.shape[2] != 1:
        raise ValueError(
            f"this network sees 2-D images, and the studies have {x.shape[2]} slices; take "
            "Architecture.slices, or set spatial_dims = 3 on a network that takes whole studies"
        )
    images = x[:, :, 0] if flat else x
    own = {}
    if labels is not None and takes_labels(bare):
        own["labels"] = labels[:, 0, 0] if flat and labels.ndim == 5 else labels
    name = getattr(bare, "main_input_name", None)
    answer = network(images, **own) if name is None else network(**{name: images}, **own)
    output: ModelOutput = _unstacked(read_output(answer), images)
    if name is not None:
        output = replace(output, logits=_enlarged(output.logits, images))
    return _with_slice(output) if flat else output


def takes_labels(network: nn.Module) -> bool:
    """Whether a network has a loss of its own, as Hugging Face's models with heads have.

    Example:
        >>> takes_labels(nn.Conv3d(1, 1, 1))
        False
    """
    return "labels" in inspect.signature(_bare(network).forward).parameters


def _unstacked(output: ModelOutput, images: Tensor) -> ModelOutput:
    """MONAI's ``DynUNet`` stacks its levels along a second axis, in training."""
    if output.logits.ndim != images.ndim + 1:
        return output
    finest, *coarser = output.logits.unbind(1)
    return replace(output, logits=finest, coarser=tuple(coarser))


def _enlarged(logits: Tensor, images: Tensor) -> Tensor:
    size = images.shape[2:]
    if logits.ndim != images.ndim or logits.shape[2:] == size:
        return logits
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return functional.interpolate(logits, size=size, mode=mode, align_corners=False)


def _with_slice(output: ModelOutput) -> ModelOutput:
    """Logits of pixels as those of voxels."""

    def voxels(logits: Tensor) -> Tensor:
        return logits.unsqueeze(2) if logits.ndim == 4 else logits

    return replace(
        output, logits=voxels(output.logits), coarser=tuple(voxels(c) for c in output.coarser)
    )


def _spatial_dims(network: nn.Module) -> int | None:
    """How many axes an image has for it, as it says, or as its first convolution does."""
    said = getattr(network, "spatial_dims", None)
    if said is not None:
        return int(said)
    convolutions = (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    first = next(convolutions, None)
    return None if first is None else len(first.kernel_size)


def _bare(network: nn.Module) -> nn.Module:
    """The network itself, without what compiles it or spreads it over devices."""
    if isinstance(network, DistributedDataParallel | DataParallel):
        return _bare(network.module)
    compiled = getattr(network, "_orig_mod", None)
    return network if compiled is None else _bare(compiled)
