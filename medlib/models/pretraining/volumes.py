"""Synthetic volumes in batches, each with its labels and two appearances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from medlib.models.pretraining.appearance import appearance
from medlib.models.pretraining.configuration import Configuration
from medlib.models.pretraining.shapes import shapes
from medlib.transforms.chance import Chance

VIEWS = 2


@dataclass(frozen=True)
class Volumes:
    """A batch of synthetic volumes of one size.

    Args:
        form: which of the configuration's forms they have.
        images: (view, volume, 1, slice, row, column), float32.
        instance: (volume, slice, row, column), int16; see
            :class:`~medlib.models.pretraining.shapes.Shapes`.
        family: likewise, uint8.
        distance: likewise, float32, in finest voxels.
    """

    form: int
    images: Tensor
    instance: Tensor
    family: Tensor
    distance: Tensor

    def to(self, device: torch.device | str) -> Volumes:
        """The same there."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Volumes(**{n: v.to(device) if n != "form" else v for n, v in values.items()})


def volumes(configuration: Configuration, step: int, device: torch.device | str = "cpu") -> Volumes:
    """The batch that a step of the recipe sees: the same whenever and wherever it is made.

    Args:
        configuration: the recipe's.
        step: 0 for the first.
        device: to compute on.

    Example:
        >>> small = Configuration.from_dict({"batch": 2, "forms": [{"size": [48, 48, 48]}]})
        >>> volumes(small, 0).images.shape
        torch.Size([2, 2, 1, 48, 48, 48])
    """
    seed, forms = configuration.seed, configuration.forms
    weights = [form.weight for form in forms]
    shares = [weight / sum(weights) for weight in weights]
    number = int(Chance(seed=seed, name=f"form {step}").rng.choice(len(forms), p=shares))
    form = forms[number]
    numbers = range(step * configuration.batch, (step + 1) * configuration.batch)
    how: dict[str, Any] = {"seed": seed, "device": device, "spacing": form.spacing}
    how |= {"structures": configuration.structures, "reach": configuration.reach}
    made = [shapes(n, form.size, **how) for n in numbers]
    views = [
        torch.stack(
            [appearance(one, n, view, seed=seed) for n, one in zip(numbers, made, strict=True)]
        )
        for view in range(VIEWS)
    ]
    return Volumes(
        form=number,
        images=torch.stack(views),
        instance=torch.stack([one.instance for one in made]),
        family=torch.stack([one.family for one in made]),
        distance=torch.stack([one.distance for one in made]),
    )


class Batches(IterableDataset[Volumes]):
    """The batches of all steps from one on, in order, however many processes make them.

    Args:
        configuration: the recipe's.
        first: step to begin with.
        device: to make them on; those of other processes come by way of the processor.
    """

    def __init__(self, configuration: Configuration, first: int, device: torch.device) -> None:
        self.configuration, self.first, self.device = configuration, first, device

    def __iter__(self) -> Iterator[Volumes]:
        worker = get_worker_info()
        if worker is None:
            yield from (
                volumes(self.configuration, step, self.device) for step in count(self.first)
            )
            return
        for step in count(self.first + worker.id, worker.num_workers):
            yield volumes(self.configuration, step, self.device).to("cpu")
