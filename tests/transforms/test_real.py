"""There and back on real scans: small MR crops, MR of thick slices, CT with many organs."""

import json

import numpy as np
import pytest
import torch
from scenes import dice

from medlib import io
from medlib.transforms import (
    CropOrPad,
    Elastic,
    Flip,
    Item,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Reorient,
    Spacing,
    Trail,
)
from medlib.types import Boxes, CTVolume, Labels, Mask, MRVolume, Points

SCANS = {
    "hippocampus": ("hippocampus/images", "hippocampus/labels", MRVolume),
    "abdominal MR": ("chaos_t2_mr", "chaos_t2_mr", MRVolume),
    "CT": ("totalseg_example/example_ct.nii.gz", "totalseg_example/example_seg.nii.gz", CTVolume),
}


@pytest.fixture(scope="module", params=SCANS, ids=lambda name: name.replace(" ", "-"))
def item(request, real_data):
    images, labels, kind = SCANS[request.param]
    image, label = real_data / images, real_data / labels
    if image.is_dir():
        image = min(p for p in image.iterdir() if not p.name.startswith(("label", ".")))
        same = label / image.name
        label = same if same != image else label / image.name.replace("image", "label")
    scan = io.read_volume(image, kind=kind)
    mask = io.read_mask(label, on=scan.grid)
    points = scan.grid.to_patient(
        np.random.default_rng(0).uniform(0, np.array(scan.grid.shape) - 1, (40, 3))
    )
    return Item((scan, mask, Points(points), Boxes.around(mask)), name=request.param)


def exactly(trail, moved, item):
    """What comes back, and where it was in view all the way."""
    ones = Mask(torch.ones_like(moved.values[1].data[:1]), moved.grid, Labels.of(["seen"]))
    return [trail.decode(v) for v in moved.values], trail.decode(ones).data[0].bool()


def test_flips_crops_pads_and_axes_come_back_bit_for_bit(item):
    shape = np.array(item.grid.shape)
    recipes = (
        Reorient("RAI"),
        Flip("anterior-posterior"),
        CropOrPad(tuple((shape * 0.8).astype(int).tolist())),
        Flip("superior-inferior"),
        CropOrPad(tuple((shape + 9).tolist())),
        RandomPatch(tuple((shape // 2).tolist())),
    )
    moved = Pipeline(recipes)(item, seed=1)
    trail = Trail.from_dict(json.loads(json.dumps(moved.trail.to_dict())))
    (scan, mask, points, boxes), seen = exactly(trail, moved, item)
    assert scan.grid == mask.grid == item.grid
    assert torch.equal(scan.data[:, seen], item.values[0].data[:, seen])
    assert torch.equal(mask.data[:, seen], item.values[1].data[:, seen])
    assert (mask.data[:, ~seen] == 0).all()
    assert (scan.data[:, ~seen] == scan.background).all()
    assert np.abs(points.coordinates - item.values[2].coordinates).max() < 1e-6
    assert np.abs(boxes.corners - item.values[3].corners).max() < 1e-6


@pytest.mark.parametrize(
    ("recipe", "near", "alike"),
    [
        (RandomAffine(12, 0.1, 0.05), 1e-6, 0.93),
        (Spacing((2.0, 1.0, 1.0)), 1e-6, 0.93),
        (Elastic(8.0, 30.0), 1e-3, 0.97),
    ],
    ids=["affine", "resampled", "bent"],
)
def test_shapes_come_back_and_organs_nearly(item, recipe, near, alike):
    if item.name != "abdominal MR" and isinstance(recipe, Spacing):
        recipe = Spacing(tuple(0.8 * s for s in item.grid.spacing))
    moved = Pipeline((recipe,))(item, seed=2)
    (scan, mask, points, boxes), seen = exactly(moved.trail, moved, item)
    assert np.abs(points.coordinates - item.values[2].coordinates).max() < near
    assert np.abs(boxes.corners - item.values[3].corners).max() < near
    found = []
    for label in item.values[1].present_ids():
        before = (item.values[1].data == label).any(0) & seen
        after = (mask.data == label).any(0) & seen
        if before.sum() > 500:
            found.append(dice(before, after))
    assert np.mean(found) > alike
    blurred = (scan.data - item.values[0].data)[:, seen].abs().float().mean()
    assert blurred < 0.25 * item.values[0].data.float().std()


def test_image_mask_points_and_boxes_stay_on_one_another(item):
    """Through a whole augmentation: a box still holds its organ, a point of an organ its label."""
    scan, mask = item.values[:2]
    organ = max(mask.present_ids(), key=lambda i: int((mask.data == i).sum()))
    where = (mask.data[0] == organ).nonzero().double().mean(0).numpy()
    inside = (mask.data[0] == organ).nonzero().numpy()
    deep = inside[np.argmin(np.linalg.norm(inside - where, axis=1))]
    place = Points(item.grid.to_patient(deep[None]))
    boxes = Boxes.around(mask)
    pipeline = Pipeline(
        (Reorient("LAS"), Flip("superior-inferior"), RandomAffine(10, 0.1), Elastic(4, 30),
         Spacing(tuple(float(s) for s in np.maximum(1.0, np.array(item.grid.spacing)[[1, 1, 1]]))))
    )  # fmt: skip
    moved = pipeline(Item((scan, mask, place, boxes), name=item.name), seed=4)
    index = np.rint(moved.grid.to_index(moved.values[2].coordinates[0])).astype(int)
    around = tuple(slice(max(0, i - 2), i + 3) for i in index)
    assert (moved.values[1].data[0][around] == organ).any()
    extent = moved.values[3].on(moved.grid)[list(boxes.ids).index(organ)]
    voxels = (moved.values[1].data[0] == organ).nonzero().numpy()
    assert ((voxels >= extent[0] - 1.5) & (voxels <= extent[1] + 1.5)).all(1).mean() > 0.98
