"""Which arithmetic a device does quickly, and where it cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from medlib.models import call

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def quickest(device: torch.device) -> str:
    """``"bf16"``, ``"fp16"`` or ``"fp32"``: the quickest that the device does in hardware."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    # Processors without bf16 arithmetic emulate it, several times slower than float32.
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "fp32"


def chosen(
    wanted: str,
    network: nn.Module,
    window: tuple[int, int, int],
    device: torch.device,
    channels: int = 1,
) -> str:
    """The precision to train in, after a look at what the device cannot do rightly.

    Args:
        wanted: ``"bf16"``, ``"fp16"``, ``"fp32"``, or ``"auto"``.
        network: to be trained.
        window: size that it will be trained on.
        device: that it is on.
        channels: of its input.

    Raises:
        ValueError: when what is wanted would ruin the training.
    """
    found = quickest(device) if wanted == "auto" else wanted
    if found != "bf16" or device.type != "cpu":
        return found
    wrong = miscalculated(network, window, channels)
    if not wrong:
        return found
    if wanted == "auto":
        return "fp32"
    raise ValueError(
        f"bf16 gradients of {', '.join(wrong[:3])} would be wrong on this processor, since they "
        f"see two slices; use fp32, or a window of another size than {window}"
    )


@torch.no_grad()
def miscalculated(network: nn.Module, window: tuple[int, int, int], channels: int = 1) -> list[str]:
    """Names of convolutions whose weights get a wrong gradient in bf16 on a processor.

    oneDNN, which PyTorch 2.11 to 2.13 uses for bf16 on processors, leaves part of the weight
    gradient of a 3-D convolution unset (whatever lay in memory), or writes beyond it, when its
    kernel covers several voxels and its input has exactly two slices that are not strided over
    (transposed convolutions too), or a single row or column that is strided over. Nothing is
    reported; training is ruined at random, or the process ends.

    Args:
        network: takes (batch, channel, slice, row, column).
        window: size that it will be trained on.
        channels: of its input.

    Example:
        >>> miscalculated(nn.Conv3d(1, 1, 3, padding=1), (2, 8, 8))
        ['the network itself']
        >>> miscalculated(nn.Conv3d(1, 1, 1), (2, 8, 8))
        []
    """
    found: list[str] = []
    hooks = [
        module.register_forward_pre_hook(_watch(name or "the network itself", found))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d) and max(module.kernel_size) > 1
    ]
    training = network.training
    try:
        device = next(network.parameters()).device
        call(network.eval(), torch.zeros(1, channels, *window, device=device))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return found


def _watch(name: str, found: list[str]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.Conv3d | nn.ConvTranspose3d)
        slices, *plane = inputs[0].shape[2:]
        deep, *strides = module.stride
        two = slices == 2 and deep == 1 and module.kernel_size[0] > 1
        lone = any(n == 1 and s > 1 for n, s in zip(plane, strides, strict=True))
        if two or (lone and isinstance(module, nn.Conv3d)):
            found.append(name)

    return look
