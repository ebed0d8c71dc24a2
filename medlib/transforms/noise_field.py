"""Random numbers for whole volumes: the same for a seed on every machine, thread count and device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

_PIECE = 1 << 18  # numbers drawn from one generator, whatever the number of threads


def gaussian(like: Tensor, seed: int) -> Tensor:
    """Normal deviates, float32, of the shape and on the device of ``like``.

    They are drawn on the processor, in pieces side by side, so that every device and any number
    of threads gives the same.

    Example:
        >>> bool((gaussian(torch.zeros(3), 1) == gaussian(torch.ones(3), 1)).all())
        True
    """
    flat = torch.empty(like.numel(), dtype=torch.float32)
    pieces = torch.split(flat, _PIECE)

    def draw(number: int) -> None:
        generator = torch.Generator().manual_seed((seed << 20) + number)
        pieces[number].normal_(generator=generator)

    threads = min(torch.get_num_threads(), len(pieces))
    if threads <= 1:
        for number in range(len(pieces)):
            draw(number)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(draw, range(len(pieces))))
    return flat.view(like.shape).to(like.device)
