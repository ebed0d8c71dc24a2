"""What a training runs on: one device, or several processes with a device each, by accelerate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")


def accelerator_on(device: torch.device) -> Accelerator:
    """Accelerate's view of the device, and of the processes that were launched together.

    Left to itself, accelerate picks a device by rules of its own, Apple's graphics among them, on
    which nothing else here runs.

    Args:
        device: of the kind that networks run on, :func:`medlib.models.best_device`.

    Raises:
        ValueError: when accelerate was told of another kind of device.

    Example:
        >>> accelerator_on(torch.device("cpu")).device
        device(type='cpu')
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    # accelerate keeps one precision a process; learners differ, so precision is torch's part.
    accelerator = Accelerator(
        mixed_precision="no",
        cpu=device.type == "cpu",
        # Frozen layers get no gradient, and it is not waited for.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if accelerator.device.type != device.type:
        raise ValueError(
            f"accelerate was told to use {accelerator.device.type} in this process, and all else "
            f"runs on {device.type}; begin a new process, without ACCELERATE_USE_CPU"
        )
    return accelerator


@dataclass(frozen=True)
class Processes:
    """The processes that train one network together; most often there is one.

    Each sees batches of its own, and all change the weights alike. What they have to agree on
    goes from processor to processor, for to read a number from a graphics card is to wait for it.

    Args:
        number: of this one.
        count: of all.

    Example:
        >>> Processes.launched(accelerator_on(torch.device("cpu")))
        Processes(number=0, count=1)
    """

    number: int = 0
    count: int = 1

    @classmethod
    def launched(cls, accelerator: Accelerator) -> Processes:
        """Those that ``torchrun`` or ``accelerate launch`` began."""
        return cls(accelerator.process_index, accelerator.num_processes)

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes files and says how it goes."""
        return self.number == 0

    def agreed(self, value: float) -> float:
        """What the leading process has for it."""
        if self.count == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(said, 0, group=_talk())
        return said.item()

    def mean(self, value: Tensor) -> Tensor:
        """Over all processes; nobody waits for it."""
        if self.count == 1:
            return value
        mean = value / self.count
        dist.all_reduce(mean)
        return mean

    def gathered(self, mine: Sequence[T]) -> list[T]:
        """What all processes have, that of the leading one first."""
        if self.count == 1:
            return list(mine)
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, list(mine), group=_talk())
        return [one for part in found for one in part]


@cache
def _talk() -> Any:
    """The way between processors; patient, since to outline scans may take one of them long."""
    return dist.new_group(backend="gloo", timeout=timedelta(days=1))
