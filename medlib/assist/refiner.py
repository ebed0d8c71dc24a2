"""A small network that looks again at what the evidence says of a box.

It sees the box, the clicks and the evidence, and says by how much each voxel's odds are to be
moved; so it knows what shapes structures have, and how they end, which no click says. It has
learned from nothing but synthetic structures (:mod:`medlib.assist.lessons`), clicked on by a
simulated reader; ``python -m medlib.assist.teaching`` makes it anew.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from medlib.assist.evidence import Scene
from medlib.assist.inputs import Voxels

WEIGHTS = Path(__file__).with_name("refiner.safetensors")
_CHANNELS = 12
HAS_BF16 = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
"""Whether the processor computes in bf16, twice as fast; others emulate it, slower than float32."""
_LEAST = 12  # voxels a side; oneDNN miscalculates bf16 gradients where a level has but two slices


def untaught() -> nn.Module:
    """The network, before it has learned anything."""
    from medlib.models import Architecture

    made = Architecture.residual_unet(channels=(32, 64, 128), strides=((2, 2, 2), (2, 2, 2)))
    return made.build(_CHANNELS, 1)


def seen(scene: Scene, odds: Voxels) -> Tensor:
    """What the network is shown: (channel, slice, row, column), float32.

    Brightness by rank, and beside that of the clicks at two scales; the odds; nearness to clicks
    on the structure and off it, each at two scales; distance from the box's middle along each
    axis; and how few clicks there are.

    Args:
        scene: the box and its clicks.
        odds: (slice, row, column), logarithms, above 0 for inside.
    """
    voxels, size = scene.voxels, scene.size_mm
    shape, steps = voxels.shape, np.asarray(scene.spacing, dtype=np.float32)
    ranks = np.searchsorted(np.sort(voxels, axis=None), voxels.ravel()).reshape(shape)
    at = np.clip(np.rint(scene.clicks[scene.inside]), 0, np.array(shape) - 1).astype(int)
    middle = float(np.median(voxels[tuple(at.T)]))
    spread = float(np.subtract(*np.quantile(voxels, [0.9, 0.1]))) / 2 + 1e-6
    places = np.moveaxis(np.indices(shape, dtype=np.float32), 0, -1)

    def away(clicks: npt.NDArray[np.float64]) -> Voxels:
        nearest = np.full(shape, 3 * size, dtype=np.float32)
        for click in clicks.astype(np.float32):
            np.minimum(nearest, np.linalg.norm((places - click) * steps, axis=-1), out=nearest)
        return nearest / np.float32(size)

    on, off = away(scene.clicks[scene.inside]), away(scene.clicks[~scene.inside])
    halves = [(n - 1) / 2 for n in shape]
    offsets = [
        np.abs(x - half) / (half + 0.5) for x, half in zip(np.indices(shape), halves, strict=True)
    ]
    beside = (voxels - middle) / spread
    channels = [2 * ranks / voxels.size - 1, np.tanh(beside), np.tanh(2 * beside)]
    channels += [np.tanh(odds / 3), np.exp(-8 * on), np.exp(-8 * off)]
    channels += [np.exp(-24 * on), np.exp(-24 * off), *offsets]
    channels += [np.full(shape, 1 / len(scene.clicks))]
    return torch.from_numpy(np.stack(channels).astype(np.float32))


def moved(network: nn.Module, shown: Tensor) -> Tensor:
    """By how much the odds are to be moved, (slice, row, column).

    Args:
        network: of :func:`untaught`.
        shown: of :func:`seen`; boxes of any size.
    """
    sizes = shown.shape[1:]
    wanted = [max(_LEAST, -(-n // 4) * 4) for n in sizes]
    before = [(large - n) // 2 for n, large in zip(sizes, wanted, strict=True)]
    margins = [(b, large - n - b) for b, n, large in zip(before, sizes, wanted, strict=True)]
    padding = [side for margin in reversed(margins) for side in margin]
    with torch.autocast("cpu", torch.bfloat16, enabled=HAS_BF16):
        whole = network(F.pad(shown[None], padding, mode="replicate"))[0, 0].float()
    a, b, c = (slice(start, start + n) for start, n in zip(before, sizes, strict=True))
    found: Tensor = whole[a, b, c]
    return found


def refined(scene: Scene, odds: Voxels, network: nn.Module | None = None) -> Voxels:
    """The odds, after a second look.

    Args:
        scene: the box and its clicks.
        odds: what the evidence says, (slice, row, column).
        network: of :func:`untaught`, taught since; left out, the one that comes with the library.
    """
    with torch.inference_mode():
        step: Voxels = moved(network or shipped(), seen(scene, odds)).numpy()
    return odds + step


@cache
def shipped() -> nn.Module:
    """The network that comes with the library, which has learned."""
    from safetensors.torch import load_file

    network = untaught()
    network.load_state_dict({name: t.float() for name, t in load_file(WEIGHTS).items()})
    return network.eval()
