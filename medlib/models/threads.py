"""A batch's items side by side on a processor's cores.

Small three-dimensional convolutions do not keep two cores busy: much of a step is waited for at
the ends of loops. Items of a batch have nothing to wait for until their gradients are added, so
each is led through the network, forwards and back, by a thread of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

_ALONE = (
    nn.Conv3d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.GELU,
    nn.SiLU,
    nn.Identity,
    nn.Flatten,
    nn.Upsample,
    nn.MaxPool3d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool3d,
    nn.Sequential,
    nn.ModuleList,
)
"""Layers that do with an item the same, whatever else is in the batch, and by no chance."""
_KNOWN = ("monai.networks.", "medlib.models.")


class ThreadParallel(nn.Module):
    """A network whose batches are shared out among threads, where gradients are wanted.

    What it gives, and the gradients, are those of the network up to rounding; they are added in
    the items' order, so that the same batch gives the same gradients. Without gradients, and for
    a single item, it is the network.

    Args:
        module: the network, on the processor; see :func:`separable`.
        threads: that there are for all items together.

    Example:
        >>> network = ThreadParallel(nn.Conv3d(1, 2, 3, padding=1), threads=2)
        >>> network(torch.zeros(2, 1, 4, 4, 4)).sum().backward()
        >>> tuple(network.module.weight.grad.shape)
        (2, 1, 3, 3, 3)
    """

    def __init__(self, module: nn.Module, *, threads: int) -> None:
        super().__init__()
        self.module = module
        self.threads = threads
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def forward(self, x: Tensor) -> Any:
        """What the network gives."""
        wanted = [p for p in self.module.parameters() if p.requires_grad]
        parts = min(len(x), self.threads)
        if parts < 2 or not wanted or not torch.is_grad_enabled():
            return self.module(x)
        answers = _Apart.apply(self.module, self._pool(parts), parts, x, *wanted)  # type: ignore[no-untyped-call]
        return answers[0] if len(answers) == 1 else list(answers)

    def _pool(self, parts: int) -> ThreadPoolExecutor:
        """So many threads, each with its share of the cores."""
        if parts not in self._pools:
            mine, each = torch.get_num_threads(), max(1, self.threads // parts)
            pool = ThreadPoolExecutor(
                parts, "medlib-item", initializer=torch.set_num_threads, initargs=(each,)
            )
            list(pool.map(lambda _: torch.get_num_threads(), range(parts)))
            torch.set_num_threads(mine)  # of the threads that are begun later
            self._pools[parts] = pool
        return self._pools[parts]


class _Apart(torch.autograd.Function):
    """Parts of a batch, each forwards and back in a thread."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        module: nn.Module,
        pool: ThreadPoolExecutor,
        parts: int,
        x: Tensor,
        *wanted: Tensor,
    ) -> tuple[Tensor, ...]:
        enabled, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

        def forwards(part: Tensor) -> tuple[Tensor, ...]:
            # Threads do not inherit either; the cache of cast weights is one for all of them.
            mixed = torch.autocast("cpu", dtype, enabled=enabled, cache_enabled=False)
            with torch.enable_grad(), mixed:
                given = module(part)
            return tuple(given) if isinstance(given, list | tuple) else (given,)

        ctx.given = list(pool.map(forwards, x.chunk(parts)))
        ctx.pool, ctx.wanted = pool, wanted
        return tuple(
            torch.cat([y.detach() for y in level]) for level in zip(*ctx.given, strict=True)
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        sizes = [len(part[0]) for part in ctx.given]
        shares = zip(*(g.split(sizes) for g in gradients), strict=True)

        def back(given: Sequence[Tensor], share: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                given, ctx.wanted, share, allow_unused=True
            )
            return found

        parts = list(ctx.pool.map(back, ctx.given, shares))
        del ctx.given
        return None, None, None, None, *(_sum(each) for each in zip(*parts, strict=True))


def _sum(gradients: Sequence[Tensor | None]) -> Tensor | None:
    known = [g for g in gradients if g is not None]
    total = known[0] if known else None
    for other in known[1:]:
        assert total is not None
        total = total.add_(other)
    return total


def separable(network: nn.Module) -> bool:
    """Whether items may be led through a network one by one, in any order, with the same outcome.

    Not where layers look at the whole batch (batch norm) or draw by chance (dropout), nor where a
    layer is not known to do neither.

    Example:
        >>> separable(nn.Sequential(nn.Conv3d(1, 2, 1), nn.InstanceNorm3d(2)))
        True
        >>> separable(nn.Sequential(nn.Conv3d(1, 2, 1), nn.Dropout(0.1)))
        False
    """
    return all(_separable(module) for module in network.modules())


def _separable(module: nn.Module) -> bool:
    if isinstance(module, nn.Dropout | nn.Dropout3d):
        return module.p == 0
    if isinstance(module, nn.InstanceNorm3d) and module.track_running_stats:
        return False
    if type(module) in _ALONE:
        return True
    return any(True for _ in module.children()) and type(module).__module__.startswith(_KNOWN)
