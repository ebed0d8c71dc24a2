"""The training loop of the backbone: resumable at any step, the same on any number of pieces."""

from __future__ import annotations

import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from medlib.models.device import best_device
from medlib.models.groups import decay_groups
from medlib.models.pretraining.card import write_backbone
from medlib.models.pretraining.checkpoint import Standing, restore, write
from medlib.models.pretraining.configuration import Configuration
from medlib.models.pretraining.network import Backbone, backbones
from medlib.models.pretraining.objectives import losses
from medlib.models.pretraining.volumes import Batches, Volumes

CHECKPOINT = "training.checkpoint"
_TOLD = 10.0  # seconds from line to line


@dataclass(frozen=True)
class Result:
    """What a piece of a pretraining has come to.

    Args:
        standing: where it stands.
        weights: the file of the U-Net's averaged weights, fp16; its card lies beside it.
    """

    standing: Standing
    weights: Path


def pretrain(
    configuration: Configuration,
    folder: str | Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    seconds: float = 120.0,
    workers: int = 0,
    started: float | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Train the backbone, from where its folder says that it stands.

    On a processor the weights after so many steps are the same to the bit, however often the
    training was interrupted or killed (with as many threads). SIGINT and SIGTERM end it after the
    step at hand, as the end of its time does.

    Args:
        configuration: all that is to be learned, and how.
        folder: for the checkpoint, the weights and their card.
        minutes: that this piece may take; or
        steps: after how many, from the very first, to stop. Without either, without end.
        seconds: between two checkpoints.
        workers: processes that make volumes; 0: this one.
        started: ``time.monotonic()`` at which the minutes began; left out, now.
        progress: told a line now and then.

    Raises:
        ValueError: when the folder holds a pretraining of another configuration.
        FloatingPointError: when the loss is no number; the last checkpoint stays.
    """
    begun = time.monotonic() if started is None else started
    end = float("inf") if minutes is None else begun + 60 * minutes
    folder, device = Path(folder), best_device()
    torch.manual_seed(configuration.seed)
    networks = _on_device(configuration, device)
    network = networks[0]
    optimiser = torch.optim.AdamW(
        decay_groups(network, configuration.decay), lr=configuration.rate, fused=True
    )
    path = folder / CHECKPOINT
    standing = Standing()
    if path.exists():
        standing = restore(path, configuration, network, optimiser)
        progress(f"going on after step {standing.step}")
    clock = _Clock(standing, configuration.batch)
    meter = _Meter()

    def note() -> None:
        if meter.steps:
            standing.seconds = clock.seconds
            standing.record.append(meter.read(standing))
            progress(_line(standing.record[-1], clock.volumes_a_minute(standing)))

    written = told = time.monotonic()
    with _stopping() as stop, _batches(configuration, standing.step, device, workers) as batches:
        for batch in batches:
            done = steps is not None and standing.step >= steps
            if done or stop.is_set() or time.monotonic() >= end:
                break
            meter.add(_step(configuration, networks, optimiser, batch.to(device), standing))
            due = time.monotonic() - written >= seconds
            if due or time.monotonic() - told >= _TOLD:
                note()
                told = time.monotonic()
            if due:
                write(path, configuration, network, optimiser, standing)
                written = time.monotonic()
    note()
    if not standing.step:
        raise ValueError("the time was over before the first step; give it more minutes")
    write(path, configuration, network, optimiser, standing)
    weights = write_backbone(folder, configuration, network, standing, machine=_machine(device))
    progress(f"stopped after step {standing.step}; weights in {weights}")
    return Result(standing, weights)


def _on_device(configuration: Configuration, device: torch.device) -> list[Backbone]:
    networks = backbones(configuration)
    for network in networks:
        network.to(device)
    for parameter in networks[0].parameters():
        if parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    if configuration.compile:
        for network in networks:
            network.compile()
    return networks


def _step(
    configuration: Configuration,
    networks: list[Backbone],
    optimiser: torch.optim.Optimizer,
    batch: Volumes,
    standing: Standing,
) -> dict[str, Tensor]:
    """Change the weights once."""
    step = standing.step
    for group in optimiser.param_groups:
        group["lr"] = configuration.rate * min(1.0, (step + 1) / configuration.warm_up)
    images = batch.images.flatten(0, 1).contiguous(memory_format=torch.channels_last_3d)
    half = configuration.precision == "bf16"
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=half):
        given = networks[batch.form](images)
    found = losses(given, batch, configuration, step)
    found.total.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(networks[0].parameters(), configuration.clip)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    standing.step += 1
    _average(standing, networks[0], configuration.average)
    return found.parts | {"loss": found.total.detach(), "gradient": norm}


@torch.no_grad()
def _average(standing: Standing, network: nn.Module, share: float) -> None:
    """Take the new weights in; the average looks back over a share of the steps so far."""
    weight = 1 / (1 + share * (standing.step - 1))
    now = dict(network.named_parameters())
    if not standing.average:
        standing.average = {name: p.detach().clone() for name, p in now.items()}
    means = [standing.average[name] for name in now]
    average = get_ema_multi_avg_fn(1 - weight)  # type: ignore[no-untyped-call]
    average(means, list(now.values()), 0)


class _Clock:
    """How long the training has taken, on whatever machines, and how many volumes it now sees."""

    def __init__(self, standing: Standing, batch: int) -> None:
        self._before, self._first, self._batch = standing.seconds, standing.step, batch
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Of all pieces together."""
        return self._before + time.monotonic() - self._begun

    def volumes_a_minute(self, standing: Standing) -> float:
        """In this piece."""
        made = (standing.step - self._first) * self._batch
        return 60 * made / (time.monotonic() - self._begun)


class _Meter:
    """Means of what was measured since it was last read; nothing waits for a graphics card before."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, parts: dict[str, Tensor]) -> None:
        """Take in a step's."""
        self.steps += 1
        self._sums = {
            n: self._sums[n] + part if n in self._sums else part for n, part in parts.items()
        }

    def read(self, standing: Standing) -> dict[str, float]:
        """The means; then it begins anew.

        Raises:
            FloatingPointError: when one is no number.
        """
        means = {name: round(float(total) / self.steps, 5) for name, total in self._sums.items()}
        if not all(map(isfinite, means.values())):
            raise FloatingPointError(
                f"the loss or its gradient is no number at step {standing.step}: begin anew with a "
                "lower rate or in fp32, or run again to go on from the last checkpoint"
            )
        self.steps, self._sums = 0, {}
        return {"step": standing.step, "seconds": round(standing.seconds, 1)} | means


def _line(told: dict[str, float], volumes: float) -> str:
    names = ("loss", "family", "distance", "contrast", "accuracy")
    parts = ", ".join(f"{name} {told[name]:.3f}" for name in names)
    return (
        f"step {told['step']:.0f}, {told['seconds']:.0f} s: {parts}; {volumes:.0f} volumes a minute"
    )


@contextmanager
def _batches(
    configuration: Configuration, first: int, device: torch.device, workers: int
) -> Iterator[Iterator[Volumes]]:
    """The volumes of all steps to come, made here or by other processes."""
    data = Batches(configuration, first, device)
    if not workers:
        yield iter(data)
        return
    loader = DataLoader(
        data,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn",  # a graphics card cannot be used after a fork
        worker_init_fn=_deaf,
    )
    batches = iter(loader)
    try:
        yield batches
    finally:
        del batches  # ends the processes


def _deaf(worker: int) -> None:
    """Leave Ctrl-C to the process that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that no step is left half done."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda *_: event.set()) for kind in kinds]
    try:
        yield event
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _machine(device: torch.device) -> dict[str, str]:
    """What it ran on, last."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"device": card, "torch": torch.__version__, "python": platform.python_version()}
