"""Pictures of synthetic volumes, to be looked at before anything is learned from them.

python -m medlib.models.pretraining.pictures CONFIGURATION PICTURE.png [--steps 3] [--first 0]

A row is a volume: its structures, their distances, and both appearances, through the middle along each
axis. How many volumes are made in a minute is printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from medlib.models.device import best_device
from medlib.models.pretraining.configuration import Configuration
from medlib.models.pretraining.volumes import VIEWS, Volumes, volumes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PLANES = (0, 1)  # along slices, and along rows


def picture(batches: list[Volumes], spacings: list[tuple[float, float, float]]) -> Figure:
    """A row a volume: structures, distances and both appearances, in two planes each.

    Args:
        batches: to be shown.
        spacings: of the volumes of each.
    """
    from matplotlib.figure import Figure

    rows = [
        (b, k, s) for b, s in zip(batches, spacings, strict=True) for k in range(len(b.instance))
    ]
    columns = len(_PLANES) * (2 + VIEWS)
    figure = Figure(figsize=(1.6 * columns, 1.6 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    # Neighbours in number are far apart in colour; air is black, the envelope next to it.
    colours = np.concatenate([[0.0, 0.05], np.arange(1, 255) * 0.618 % 0.85 + 0.15])
    for line, (batch, k, spacing) in zip(axes, rows, strict=True):
        cells = iter(line)
        for values, how in _shown(batch, k):
            for plane in _PLANES:
                flat = values.float().cpu().numpy().take(values.shape[plane] // 2, axis=plane)
                flat = colours[flat.astype(int)] if how["cmap"] == "nipy_spectral" else flat
                tall, wide = (step for axis, step in enumerate(spacing) if axis != plane)
                cell = next(cells)
                cell.imshow(flat, aspect=tall / wide, interpolation="nearest", **how)
                cell.set_axis_off()
    return figure


def _shown(batch: Volumes, k: int) -> list[tuple[Tensor, dict[str, object]]]:
    far = float(batch.distance.abs().max())
    looks: list[tuple[Tensor, dict[str, object]]] = [
        (batch.instance[k], {"cmap": "nipy_spectral", "vmin": 0.0, "vmax": 1.0}),
        (batch.distance[k], {"cmap": "RdBu", "vmin": -far, "vmax": far}),
    ]
    return looks + [(view[k, 0], {"cmap": "gray"}) for view in batch.images]


def main() -> None:
    """Draw some batches, and say how long they took to make."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configuration", help="a TOML file; or small, or v1")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    configuration, device = Configuration.load(given.configuration), best_device()
    volumes(configuration, given.first, device)  # the first takes longer
    begun = time.monotonic()
    made = [volumes(configuration, given.first + k, device) for k in range(given.steps)]
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    minutes = (time.monotonic() - begun) / 60
    count = sum(len(batch.instance) for batch in made)
    sys.stdout.write(f"{count / minutes:.0f} volumes a minute on {device}, by one process\n")
    figure = picture(made, [configuration.forms[batch.form].spacing for batch in made])
    figure.savefig(given.picture, dpi=80)


if __name__ == "__main__":
    main()
