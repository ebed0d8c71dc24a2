"""How far each voxel is from the next structure, for all structures at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def distances(labels: Tensor, spacing: Sequence[float], reach: float) -> Tensor:
    """From each voxel's centre to the nearest centre of a voxel with another label.

    Exact, one axis after the other, up to ``reach``, as far as neighbours are looked at; nothing is
    known of what lies beyond the volume. After Felzenszwalb and Huttenlocher, *Distance transforms
    of sampled functions*, Theory of Computing 8, 2012: a row's squares are added to those of the
    column, and of a voxel with another label the square is 0.

    Args:
        labels: (slice, row, column), whole numbers.
        spacing: along each axis.
        reach: the greatest distance, in the same units; what is farther has this.

    Returns:
        Float32, of the same shape.

    Example:
        >>> distances(torch.tensor([[[1, 1, 1, 2]]]), (1, 1, 0.5), 1.0)
        tensor([[[1.0000, 1.0000, 0.5000, 0.5000]]])
    """
    squares = torch.full(labels.shape, reach**2, dtype=torch.float32, device=labels.device)
    for axis, length in enumerate(spacing):
        before, squares = squares, squares.clone()
        n = labels.shape[axis]
        for offset in range(1, min(n - 1, int(reach / length)) + 1):
            low, high = (slice(0, n - offset), slice(offset, n))
            near, far = ((slice(None),) * axis + (part,) for part in (low, high))
            alike = labels[near] == labels[far]
            added = (offset * length) ** 2
            for here, there in ((near, far), (far, near)):
                beyond = (before[there] * alike).add_(added)
                torch.minimum(squares[here], beyond, out=squares[here])
    return squares.sqrt_()
