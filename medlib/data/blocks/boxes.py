"""The block of boxes around findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from medlib import io
from medlib.data.blocks.block import Block
from medlib.data.cases import Case
from medlib.infer import BoxesInput, BoxesOutput
from medlib.space import Grid
from medlib.types import Boxes, Kind, Labels, Mask


@dataclass(frozen=True)
class BoxesBlock(Block):
    """Boxes around the findings in a scan: lesions, nodules.

    Args:
        labels: of what is to be found; their order is that of the model's maps.
        usual_mm: length of a usual finding; see :meth:`scaled_to`.
    """

    labels: Labels
    usual_mm: float = 10.0

    @property
    def input(self) -> BoxesInput:
        """A channel a label."""
        return BoxesInput(self.labels)

    @property
    def output(self) -> BoxesOutput:
        """Where the middles are, and how large is what is about them."""
        return BoxesOutput(self.labels, self.usual_mm)

    def scaled_to(self, cases: Sequence[Case]) -> BoxesBlock:
        """The same block, for findings as large as these cases have them (the median).

        Raises:
            ValueError: when no case has any.
        """
        found = [self.read(case, on=case.leading.grid) for case in cases]
        corners = np.concatenate([boxes.corners for boxes in found]).reshape(-1, 2, 2, 2, 3)
        if not len(corners):
            raise ValueError(
                f"no scan that is to be learned from has any {' or '.join(self.labels.names)}"
            )
        edges = [np.diff(corners, axis=1 + k).mean((1, 2, 3)) for k in range(3)]
        return replace(self, usual_mm=float(np.median(np.linalg.norm(edges, axis=-1))))

    def read(self, case: Case, *, on: Grid) -> Boxes:
        """The boxes, from a file of boxes, or about each connected part of the label map.

        Raises:
            ValueError: when there is neither, a label is unknown, or a box lies outside the scan.
        """
        found = boxes_in(case, on=on, labels=self.labels)
        if strange := sorted(set(found.labels.names) - set(self.labels.names)):
            raise ValueError(
                f"{case.name} has boxes of {', '.join(strange)}, and what is to be found is "
                f"{', '.join(self.labels.names)}"
            )
        middles = on.to_index(found.centres)
        outside = ((middles < -0.5) | (middles > np.array(on.shape) - 0.5)).any(1)
        for number in np.flatnonzero(outside):
            raise ValueError(
                f"box {number + 1} of {case.name} has its middle outside the scan, at "
                f"{found.centres[number].round(1).tolist()} (LPS millimetres): it may be of "
                "another scan, or left and right may be exchanged in its file"
            )
        names = [found.labels.by_id(number).name for number in found.ids]
        return Boxes(found.corners, tuple(self.labels[n].id for n in names), labels=self.labels)

    def tensor(self, value: Kind) -> Tensor:
        """LPS millimetres: (box, 2, 3), the ends along the patient's axes, float32."""
        assert isinstance(value, Boxes)
        return torch.from_numpy(np.stack([value.low, value.high], 1)).float()


def boxes_in(case: Case, *, on: Grid, labels: Labels | None = None) -> Boxes:
    """What a case's files say of its findings, with a table of the labels that they name.

    Args:
        case: whose files are read.
        on: the grid of its scan.
        labels: what a label map's ids mean; left out, what the file itself says.

    Raises:
        ValueError: when they say nothing, which is not the same as that there are none; or when
            not everything was looked for, or not everywhere.
    """
    if case.boxes is not None and case.boxes.suffix.lower() == ".csv":
        table = io.read_box_table(case.boxes)
        for key in (case.scan.series_uid, case.scan.name, case.name):
            if key and key in table:
                return table[key]
        raise ValueError(
            f"{case.boxes.name} has no row for {case.name}; if nothing was found in it, give it a "
            "row without coordinates"
        )
    if case.boxes is not None:
        return io.read_boxes(case.boxes)
    if case.label is not None:
        mask = io.read_mask(case.label, labels=labels, on=on)
        if case.annotated is not None or bool(mask.unseen().any()):
            raise ValueError(
                f"in {case.name} not everything was looked for, or not everywhere, and what nobody "
                "looked for would be learned as not being there; leave it out"
            )
        return about_parts(mask)
    raise ValueError(f"{case.name} has no file of boxes")


def about_parts(mask: Mask) -> Boxes:
    """A box about each connected part of each structure, on the outer edges of its voxels.

    Voxels that share a corner hang together, as in nnDetection (Baumgartner et al. 2021).

    Raises:
        ValueError: for ids in the tensor that the mask's table does not have.

    Example:
        >>> voxels = torch.zeros(1, 1, 1, 5, dtype=torch.uint8)
        >>> voxels[..., 0] = voxels[..., 3:] = 1
        >>> mask = Mask(voxels, Grid.from_axes((1, 1, 5)), Labels.of(["lesion"]))
        >>> about_parts(mask).on(mask.grid)[..., 2]
        array([[-0.5,  0.5],
               [ 2.5,  4.5]])
    """
    from scipy.ndimage import find_objects, label

    ends: list[list[list[float]]] = []
    ids: list[int] = []
    for number, window in mask.extents().items():
        for layer in mask.data[:, *window].cpu().numpy():
            parts, _ = label(layer == number, np.ones((3, 3, 3)))
            for place in find_objects(parts):
                sides = [(s.start + w.start, s.stop + w.start) for s, w in zip(place, window, strict=True)]  # fmt: skip
                ends.append([[side[k] - 0.5 for side in sides] for k in (0, 1)])
                ids.append(number)
    choice = np.indices((2, 2, 2)).reshape(3, -1).T
    corners = np.array(ends).reshape(-1, 2, 3)[:, choice, np.arange(3)]
    return Boxes(mask.grid.to_patient(corners), tuple(ids), labels=mask.labels)
