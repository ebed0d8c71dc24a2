"""Figures of merit against MONAI, ITK and brute force; and what is said where there is nothing."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import itk_image, oracle
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist
from strategies import affines, grids

from medlib.space import Grid
from medlib.train import dice, metrics
from medlib.train.detection import overlaps
from medlib.types import (
    Boxes,
    Categories,
    Category,
    Labels,
    Mask,
    Measurement,
    Points,
    Probabilities,
)

LABELS = Labels.of({3: "liver", 1: "lesion", 9: "spleen"})
THICK = Grid.from_axes((9, 24, 22), spacing=(5.0, 0.8, 1.3))


def blob(grid, centre, radius):
    index = np.moveaxis(np.indices(grid.shape), 0, -1)
    away = (index - np.array(centre)) * np.array(grid.spacing)
    return np.linalg.norm(away, axis=-1) <= radius


def mask_of(grid, **where):
    """A layer for each structure: they may overlap."""
    layers = [LABELS[name].id * flags.astype(np.int32) for name, flags in where.items()]
    return Mask(torch.from_numpy(np.stack(layers)), grid, LABELS)


def told(found):
    return {(one.of, one.name): one.value for one in found}


def pair():
    p = mask_of(THICK, liver=blob(THICK, (4, 12, 10), 9), lesion=blob(THICK, (4, 12, 14), 3))
    t = mask_of(THICK, liver=blob(THICK, (4, 11, 11), 10), lesion=blob(THICK, (3, 12, 13), 4))
    return p, t


def flags(mask, name):
    return mask.structure(name).numpy()


def test_figures_of_masks_are_monais():
    monai = oracle("monai.metrics")
    p, t = pair()
    found = told(metrics(p, t, tolerance_mm=1.0))
    hot = [torch.stack([m.structure(n) for n in ("liver", "lesion")])[None].float() for m in (p, t)]
    same = {"include_background": True, "spacing": list(THICK.spacing)}
    nsd = monai.compute_surface_dice(*hot, class_thresholds=[1.0, 1.0], **same)[0]
    hd95 = monai.compute_hausdorff_distance(*hot, percentile=95, **same)[0]
    overlap = monai.DiceMetric(reduction="none")(*hot)[0]
    for k, name in enumerate(("liver", "lesion")):
        assert found[name, "Dice"] == pytest.approx(float(overlap[k]), abs=1e-6)
        assert found[name, "NSD"] == pytest.approx(float(nsd[k]), abs=1e-6)
        assert found[name, "HD95"] == pytest.approx(float(hd95[k]), abs=1e-4)


def test_overlap_is_itks():
    sitk = oracle("SimpleITK")
    p, t = pair()
    found = told(metrics(p, t))
    for name in ("liver", "lesion"):
        images = [
            itk_image(torch.from_numpy(flags(m, name).astype(np.uint8)), THICK) for m in (t, p)
        ]
        measured = sitk.LabelOverlapMeasuresImageFilter()
        measured.Execute(*images)
        assert found[name, "Dice"] == pytest.approx(measured.GetDiceCoefficient(), abs=1e-12)
        assert dice(p, t)[name] == found[name, "Dice"]
        counts = [int(sitk.GetArrayFromImage(i).sum()) for i in images]
        error = (counts[1] - counts[0]) * math.prod(images[0].GetSpacing()) / 1000
        assert found[name, "volume error"] == pytest.approx(error, abs=1e-9)


@settings(max_examples=25)
@given(grids(sides=(2, 7)), st.integers(0, 9))
def test_surfaces_are_apart_as_brute_force_finds_them_on_any_grid(grid, seed):
    draw = np.random.default_rng(seed)
    p, t = (mask_of(grid, liver=draw.random(grid.shape) < 0.5) for _ in range(2))
    if not flags(p, "liver").any() or not flags(t, "liver").any():
        return
    rims = [flags(m, "liver") & ~binary_erosion(flags(m, "liver")) for m in (p, t)]
    apart = cdist(*(grid.to_patient(np.argwhere(rim)) for rim in rims))
    both = np.concatenate([apart.min(1), apart.min(0)])
    tolerance = float(np.median(both)) + 1e-6
    found = told(metrics(p, t, tolerance_mm=tolerance))
    assert found["liver", "NSD"] == pytest.approx((both <= tolerance).mean())
    hd95 = max(np.percentile(apart.min(1), 95), np.percentile(apart.min(0), 95))
    assert found["liver", "HD95"] == pytest.approx(hd95, abs=1e-9)
    back = told(metrics(t, p, tolerance_mm=tolerance))  # which is which makes no difference
    assert back["liver", "NSD"] == found["liver", "NSD"]
    assert back["liver", "HD95"] == found["liver", "HD95"]


def test_in_a_single_slice_outlines_are_compared_and_not_all_that_is_inside():
    grid = Grid.from_axes((1, 30, 30))
    p, t = (mask_of(grid, liver=blob(grid, (0, 15, 15), radius)) for radius in (6, 11))
    found = told(metrics(p, t, tolerance_mm=2.0))
    assert found["liver", "NSD"] == 0.0
    assert found["liver", "HD95"] == pytest.approx(5, abs=0.5)


def test_a_shift_is_told_in_millimetres():
    t = mask_of(THICK, liver=blob(THICK, (4, 12, 11), 6))
    p = Mask(torch.roll(t.data, 1, dims=1), THICK, LABELS)  # a slice up, of 5 mm
    assert told(metrics(p, t))["liver", "HD95"] == pytest.approx(5.0)
    assert told(metrics(p, t, tolerance_mm=5.0))["liver", "NSD"] == 1.0


def test_what_neither_has_says_nothing_and_what_one_lacks_is_nought():
    full = mask_of(THICK, liver=blob(THICK, (4, 12, 11), 6))
    empty = Mask(torch.zeros_like(full.data), THICK, LABELS)
    for p, t, sign in ((full, empty, 1), (empty, full, -1)):
        found = told(metrics(p, t))
        assert found["liver", "Dice"] == found["liver", "NSD"] == 0.0
        assert found["liver", "HD95"] == math.inf
        assert found["liver", "volume error"] == pytest.approx(sign * full.volume_ml("liver"))
        assert all(math.isnan(found["spleen", name]) for name in ("Dice", "NSD", "HD95"))
        assert found["spleen", "volume error"] == 0
    assert told(metrics(full, full))["liver", "HD95"] == 0


def test_labels_are_matched_by_name_and_not_by_number():
    t = Mask(torch.tensor([[[[1, 1, 2]]]]), Grid.from_axes((1, 1, 3)), Labels.of(["left", "right"]))
    p = Mask(torch.tensor([[[[2, 2, 1]]]]), t.grid, Labels.of(["right", "left"]))
    assert dice(p, t) == {"left": 1.0, "right": 1.0}
    alone = Mask(p.data, p.grid, Labels.of({1: "right"}))
    with pytest.raises(ValueError, match="lacks left; it has: right"):
        metrics(alone, t)


def test_masks_on_other_grids_are_not_compared():
    mask = mask_of(THICK, liver=blob(THICK, (4, 12, 11), 6))
    shifted = Mask(mask.data, THICK.window((0, 1, 0), THICK.shape), LABELS)
    for compare in (metrics, dice):
        with pytest.raises(ValueError, match=r"different grids: .* 0.8 mm apart"):
            compare(mask, shifted)


def test_of_probabilities_the_likeliest_counts():
    p, t = pair()
    numbers = torch.zeros(THICK.shape, dtype=torch.int64)
    for channel, name in enumerate(LABELS.names, start=1):  # the last goes first
        numbers[p.structure(name)] = channel
    hot = torch.nn.functional.one_hot(numbers, 4).movedim(-1, 0).float()
    sure = Probabilities(0.4 * hot + 0.15, THICK, LABELS)
    ids = torch.tensor([0, *LABELS.ids])[numbers][None]
    wanted = metrics(Mask(ids, THICK, LABELS), t)
    assert [str(one) for one in metrics(sure, t)] == [str(one) for one in wanted]


# --- shapes -----------------------------------------------------------------------------------


def test_points_are_matched_by_name():
    t = Points([[0, 0, 0], [10, 0, 0]], ("left", "right"))
    swapped = Points([[10, 0, 0], [0, 0, 0]], ("left", "right"))
    assert told(metrics(swapped, t)) == {("left", "distance"): 10, ("right", "distance"): 10}
    renamed = Points(swapped.coordinates, ("right", "left"))
    assert set(told(metrics(renamed, t)).values()) == {0}
    with pytest.raises(ValueError, match=r"not the same: .*'up'.*'right'"):
        metrics(Points([[0, 0, 0], [10, 0, 0]], ("left", "up")), t)
    with pytest.raises(ValueError, match="twice"):
        metrics(Points(t.coordinates, ("left", "left")), t)
    with pytest.raises(ValueError, match="not the same"):
        metrics(Points(t.coordinates), t)
    unnamed = metrics(Points(t.coordinates), Points(t.coordinates + np.array([0, 3, 4])))
    assert [one.value for one in unnamed] == [5, 5]


def test_overlaps_of_boxes_along_the_axes_are_monais():
    box_iou = oracle("monai.data.box_utils").box_iou
    draw = np.random.default_rng(0)
    low = draw.uniform(0, 10, (2, 6, 3))
    high = low + draw.uniform(1, 10, (2, 6, 3))
    ours, theirs = (Boxes.between(a, b) for a, b in zip(low, high, strict=True))
    known = box_iou(*(np.concatenate([a, b], 1) for a, b in zip(low, high, strict=True)))
    assert overlaps(ours.corners, theirs.corners) == pytest.approx(known, abs=1e-6)
    assert told(metrics(ours, theirs))["", "IoU"] == pytest.approx(known.max(0).mean(), abs=1e-6)


@settings(max_examples=25)
@given(affines(shift=100))
def test_overlaps_are_the_same_however_the_patient_lies(going):
    one, other = (np.array([corner]) for corner in ([0.0, 0, 0], [4.0, 3, -2]))
    a, b = (Boxes.between(low, low + np.array([10, 8, 6])) for low in (one, other))
    moved = [Boxes(going(boxes.corners)) for boxes in (a, b)]
    assert metrics(*moved)[0].value == pytest.approx(6 * 5 * 4 / (2 * 480 - 120), abs=1e-6)


def test_a_box_without_a_volume_overlaps_with_nothing():
    cube, flat = Boxes.between([[0, 0, 0]], [[2, 2, 2]]), Boxes.between([[0, 0, 1]], [[2, 2, 1]])
    assert metrics(flat, cube)[0].value == 0
    touching = Boxes.between([[2, 0, 0]], [[4, 2, 2]])
    assert metrics(touching, cube)[0].value == 0


def test_average_precision_is_worked_out_by_hand():
    starts = np.array([[0, 0, 0], [50, 0, 0], [100, 0, 0.0]])
    nodules = Labels.of(["nodule"])
    t = Boxes.between(starts, starts + 10, ids=(1, 1, 1), labels=nodules)
    found = np.array([[0, 0, 0], [1, 0, 0], [51, 0, 0], [200, 0, 0.0]])  # the 2nd is the 1st again

    def ap(scores, **how):
        p = Boxes.between(found, found + 10, ids=(1,) * 4, scores=scores, labels=nodules)
        return told(metrics(p, t, **how))["nodule", "AP"]

    # Hit, miss, hit, miss: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
    assert ap((0.9, 0.8, 0.7, 0.1)) == pytest.approx((1 + 2 / 3) / 3)
    assert ap((0.9, 0.8, 0.7, 0.95)) == pytest.approx((1 / 2 + 1 / 2) / 3)
    assert ap(()) == pytest.approx(2 / 3 * 2 / 4)  # one point of the curve
    assert ap((0.9, 0.8, 0.7, 0.1), overlap=0.99) == pytest.approx(1 / 3)


def test_boxes_that_only_one_has():
    labels = Labels.of(["nodule", "node"])
    one = Boxes.between([[0, 0, 0]], [[9, 9, 9]], ids=(1,), labels=labels)
    none = Boxes.between([], [], labels=labels)
    assert told(metrics(none, one))["nodule", "AP"] == 0
    assert told(metrics(one, none))["nodule", "AP"] == 0
    assert math.isnan(told(metrics(one, one))["node", "AP"])
    other = Boxes.between([[0, 0, 0]], [[9, 9, 9]], ids=(2,), labels=labels)
    assert told(metrics(other, one)) == pytest.approx(
        {("nodule", "IoU"): 0, ("nodule", "AP"): 0, ("node", "IoU"): math.nan, ("node", "AP"): 0},
        nan_ok=True,
    )
    with pytest.raises(ValueError, match="without"):
        metrics(Boxes.between([[0, 0, 0]], [[9, 9, 9]], labels=labels), one)


# --- answers ----------------------------------------------------------------------------------


def test_answers():
    words = ("effusion", "nodule", "fracture")
    yes, no = Category("nodule", words), Category("effusion", words)
    assert [metrics(yes, target)[0].value for target in (yes, no)] == [1, 0]
    with pytest.raises(ValueError, match="vocabularies are not the same"):
        metrics(yes, Category("nodule", words[::-1]))
    found = told(metrics(Categories(("effusion", "nodule"), words), Categories(("nodule",), words)))
    assert found["effusion", "accuracy"] == 0
    assert found["nodule", "accuracy"] == found["fracture", "accuracy"] == 1
    assert found["", "F1"] == pytest.approx(2 / 3)
    assert math.isnan(told(metrics(Categories((), words), Categories((), words)))["", "F1"])
    partly = Categories(("nodule",), words, unknown=("effusion",))
    found = told(metrics(Categories(("effusion", "nodule"), words), partly))
    assert math.isnan(found["effusion", "accuracy"])
    assert (found["nodule", "accuracy"], found["", "F1"]) == (1.0, 1.0)


def test_measurements_are_compared_in_one_unit_or_not_at_all():
    found, absolute = metrics(Measurement(1.1, "l", "liver"), Measurement(1000, "ml", "liver"))
    assert (found.value, found.unit) == (pytest.approx(100), "ml")
    assert (absolute.value, absolute.unit) == (pytest.approx(100), "ml")
    with pytest.raises(ValueError, match="cannot be turned into 'mm'"):
        metrics(Measurement(1.1, "l"), Measurement(1000, "mm"))
    with pytest.raises(ValueError, match="not the same"):
        metrics(Measurement(1.1, "l", "spleen"), Measurement(1.1, "l", "liver"))


def test_what_nobody_looked_at_or_for_is_neither_right_nor_wrong():
    grid = Grid.from_axes((1, 2, 4))
    table = Labels.of({1: "liver", 2: "spleen"}, ignored=9)
    target = Mask(torch.tensor([[[[1, 1, 0, 0], [9, 9, 9, 9]]]]), grid, table, annotated=("liver",))
    found = Mask(
        torch.tensor([[[[1, 1, 2, 2], [1, 1, 1, 2]]]]), grid, Labels.of(["liver", "spleen"])
    )
    assert dice(found, target) == {"liver": 1.0}
    assert {m.of for m in metrics(found, target)} == {"liver"}
