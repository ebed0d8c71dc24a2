"""Teach the refiner anew: ``python -m medlib.assist.teaching FOLDER``.

In rounds: in the first the reader's clicks mend what the evidence gets wrong, in each further one
what the network of the round before does (as in DAgger, Ross et al., AISTATS 2011), and all
lessons so far are learned from. Run again, it goes on with the volume, or the round, at hand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from medlib.assist.evidence import Scene
from medlib.assist.lessons import Lesson, lessons
from medlib.assist.refiner import moved, seen, untaught
from medlib.io.files import written_whole
from medlib.io.tensors import write_tensors

ROUNDS, VOLUMES, STEPS, BATCH, RATE = 2, 130, 900, 6, 2e-3
_SETTLING = 0.4  # share of the last round's steps in which the rate falls
_OFFSETS = slice(8, 11)  # of the channels shown: one of each axis


def teach(
    folder: Path,
    *,
    rounds: int = ROUNDS,
    volumes: int = VOLUMES,
    steps: int = STEPS,
    seed: int = 0,
    told: Callable[[str], None] = lambda line: None,
) -> Path:
    """Teach a network, and write its weights.

    Args:
        folder: for the lessons and the weights of each round.
        rounds: of lessons, each with volumes of its own.
        volumes: a round.
        steps: a round.
        seed: of all that is drawn.
        told: a line now and then.

    Returns:
        The file of weights, in fp16.
    """
    from safetensors.torch import load_file

    network: nn.Module | None = None
    place = folder
    learned: list[Lesson] = []
    for number in range(rounds):
        place = folder / f"round_{number}"
        place.mkdir(parents=True, exist_ok=True)
        for volume in range(number * volumes, (number + 1) * volumes):
            learned += _kept(place / f"volume_{volume}.npz", volume, network, seed)
            told(f"round {number + 1}, volume {volume + 1}: {len(learned)} lessons")
        taught = place / "weights.safetensors"
        following = untaught() if network is None else network
        if not taught.exists():
            torch.manual_seed(seed + number)
            following = following if number else untaught()
            average = _round(following, learned, steps, number + 1 == rounds, seed + number, told)
            recipe = {"seed": seed, "rounds": number + 1, "volumes": volumes, "steps": steps}
            about = {"recipe": json.dumps(recipe | {"lessons": len(learned)})}
            with written_whole(taught) as partial:
                write_tensors(partial, {name: t.half() for name, t in average.items()}, about)
        following.load_state_dict({n: t.float() for n, t in load_file(taught).items()})
        network = following.eval()
    return place / "weights.safetensors"


def _round(
    network: nn.Module,
    learned: list[Lesson],
    steps: int,
    is_last: bool,
    seed: int,
    told: Callable[[str], None],
) -> dict[str, Tensor]:
    """Learn from all lessons so far; gives averaged weights."""
    rng = np.random.default_rng(seed)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    began, losses = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        left = (1 - step / steps) / _SETTLING if is_last else 1.0
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, step / 100) * min(1.0, max(0.02, left))
        optimiser.zero_grad(set_to_none=True)
        for _ in range(BATCH):
            shown, odds, truth = _turned(learned[rng.integers(len(learned))], rng)
            loss = _loss(odds + moved(network, shown), truth) / BATCH
            loss.backward()  # type: ignore[no-untyped-call]
            losses += loss.item()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        share = 1 - min(0.998, step / (step + 20))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, share)
        if step % 100 == 0:
            told(f"step {step}, {time.monotonic() - began:.0f} s: loss {losses / 100:.4f}")
            losses = 0.0
    return average


def _loss(odds: Tensor, truth: Tensor) -> Tensor:
    """Dice and cross-entropy, in which each structure counts alike, however large."""
    likely = torch.sigmoid(odds)
    apart = F.binary_cross_entropy_with_logits(odds, truth, reduction="sum")
    overlap = 1 - (2 * (likely * truth).sum() + 1) / (likely.sum() + truth.sum() + 1)
    return overlap + 0.15 * apart / truth.sum().clamp(min=5.0)


def _turned(lesson: Lesson, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A lesson as one of the 48 ways to hold a box: what is shown, the odds, the truth."""
    order = rng.permutation(3).tolist()
    flips = [axis for axis in range(3) if rng.random() < 0.5]

    def held(values: Tensor) -> Tensor:
        return values.permute(order).flip(flips)

    shown = torch.stack([held(channel) for channel in seen(lesson.scene, lesson.odds)])
    shown[_OFFSETS] = shown[_OFFSETS][order].clone()
    odds, truth = torch.from_numpy(lesson.odds), torch.from_numpy(lesson.truth).float()
    return shown, held(odds), held(truth)


def _kept(path: Path, volume: int, network: nn.Module | None, seed: int) -> Iterator[Lesson]:
    """The lessons of a volume, made once."""
    if not path.exists():
        arrays: dict[str, np.ndarray] = {}
        for number, lesson in enumerate(lessons(volume, network, seed=seed)):
            values = asdict(lesson.scene) | {"odds": lesson.odds, "truth": lesson.truth}
            arrays |= {f"{number}/{name}": np.asarray(value) for name, value in values.items()}
        with written_whole(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    with np.load(path, allow_pickle=False) as found:
        count = 1 + max((int(name.split("/")[0]) for name in found), default=-1)
        for number in range(count):
            part = {n.split("/")[1]: found[n] for n in found if n.startswith(f"{number}/")}
            scene = Scene(
                voxels=part["voxels"],
                spacing=tuple(part["spacing"].tolist()),
                clicks=part["clicks"],
                inside=part["inside"],
                walls=tuple(tuple(pair) for pair in part["walls"].tolist()),
            )
            yield Lesson(scene, part["odds"], part["truth"])


def main() -> None:
    """Teach, and say where the weights are."""
    parser = argparse.ArgumentParser(
        prog="python -m medlib.assist.teaching", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="for all that is written")
    given = parser.parse_args()
    print(teach(given.folder, told=lambda line: print(line, flush=True)))  # noqa: T201


if __name__ == "__main__":
    main()
