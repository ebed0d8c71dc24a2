"""Plans: whatever the scans are like, a window that the network can see, and no wrong arithmetic."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from medlib.infer import (
    BeliefOutput,
    MaskOutput,
    MeasurementOutput,
    PointsOutput,
    window_count,
)
from medlib.models import Architecture
from medlib.train import Fingerprint, Plan, plan_for
from medlib.train.fingerprint import Intensities, Structure
from medlib.train.levels import channels
from medlib.train.machine import Machine
from medlib.train.precision import miscalculated
from medlib.train.room import gigabytes_of
from medlib.transforms import RandomAffine
from medlib.types import CTVolume, MRVolume

CPU = Machine("cpu", gigabytes=16, cores=2)
extents = st.tuples(*[st.floats(8, 500)] * 3)
spacings = st.tuples(*[st.floats(0.3, 8)] * 3)


def fingerprint(extent, spacing, kind=MRVolume, **more):
    whole = tuple(max(1, round(e / s)) * s for e, s in zip(extent, spacing, strict=True))
    voxels = Intensities(kind, low=-50.0, high=150.0, mean=40, deviation=20)
    return Fingerprint(kind, spacing, whole, whole, (voxels,), **more)


def levels(plan):
    """The size of the window at every level."""
    size = [np.array(plan.window)]
    for step in plan.architecture.arguments["strides"]:
        size.append(size[-1] // step)
    return size


@given(extents, spacings)
def test_a_window_can_be_halved_and_is_never_two_slices_deep(extent, spacing):
    plan = plan_for(fingerprint(extent, spacing), MaskOutput, machine=CPU)
    assert not any(np.array(plan.window) % plan.architecture.divisor)
    assert all(level[0] != 2 for level in levels(plan))
    assert np.prod(plan.window) <= 1.3 * 48 * 64 * 48
    assert all(n >= 1 for n in plan.window)


@settings(max_examples=6)
@given(extents, spacings)
def test_no_gradient_of_a_planned_network_is_wrong_on_a_processor(extent, spacing):
    plan = plan_for(fingerprint(extent, spacing), MaskOutput, machine=CPU)
    levels = len(plan.architecture.arguments["strides"]) + 1
    arguments = plan.architecture.arguments | {"channels": [1] * levels, "num_res_units": 1}
    network = Architecture("unet", arguments).build(1, 2)
    assert miscalculated(network, plan.window) == []


@given(st.integers(12, 60), st.floats(3.5, 8))
def test_thick_slices_are_not_halved_before_the_others_are_as_thick(slices, thickness):
    plan = plan_for(
        fingerprint((slices * thickness, 60, 60), (thickness, 1, 1)), MaskOutput, machine=CPU
    )
    spacing = np.array(plan.preprocess.transforms[1].millimetres)
    for step in plan.architecture.arguments["strides"]:
        if step[0] == 2:
            assert spacing[0] < 2 * spacing.min()
        spacing = spacing * step


def test_scans_keep_their_own_spacing_where_that_is_affordable():
    plan = plan_for(fingerprint((35, 51, 35), (1, 1, 1)), MaskOutput, machine=CPU)
    assert plan.preprocess.transforms[1].millimetres == (1, 1, 1)
    assert plan.reasons[0].startswith("1 × 1 × 1 mm a voxel: the scans have 1 × 1 × 1 mm")
    large = plan_for(fingerprint((400, 350, 350), (1.5, 0.7, 0.7)), MaskOutput, machine=CPU)
    assert "coarsened" in large.reasons[0]
    assert all(n > 24 for n in large.window)


def test_units_that_mean_something_are_kept_and_others_not():
    ct, mr = (
        plan_for(fingerprint((64, 64, 64), (2, 2, 2), k), MaskOutput) for k in (CTVolume, MRVolume)
    )
    assert ct.preprocess.transforms[2].mean == 40
    assert mr.preprocess.transforms[2].mean is None
    names = [type(t).__name__ for t in ct.augment.transforms + ct.preprocess.transforms]
    assert "Flip" not in names  # left and right differ in patients


def test_a_fingerprint_is_what_numpy_says(data):
    found = Fingerprint.of(data.train)
    items = [data.train.raw(number).values for number in range(len(data.train))]
    inside = np.concatenate([scan.data[mask.data > 0].numpy() for scan, mask in items])
    low, high = np.percentile(inside, [0.5, 99.5])
    (voxels,) = found.intensities
    assert (voxels.low, voxels.high) == pytest.approx((low, high), rel=1e-5)
    assert voxels.mean == pytest.approx(inside.clip(low, high).mean(), rel=1e-4, abs=1e-3)
    assert voxels.deviation == pytest.approx(inside.clip(low, high).std(), rel=1e-4)
    for one in found.structures:
        masks = [mask.structure(one.name).numpy() for _, mask in items]
        assert one.share == pytest.approx(np.mean([m.mean() for m in masks]))
        boxes = [[np.ptp(np.nonzero(m)[k]) + 1 for k in range(3)] for m in masks]
        assert one.extent == pytest.approx(np.median(boxes, axis=0) * (1.2, 1, 1))
        assert one.scans == len(items)
    assert [one.name for one in found.structures] == ["left kidney", "right kidney"]
    assert found.spacing == pytest.approx((1.2, 1, 1))
    assert found.extent == found.largest == pytest.approx((24, 24, 24))


WHOLE = (BeliefOutput, MeasurementOutput, PointsOutput)


@given(extents, spacings, st.sampled_from(WHOLE))
def test_a_whole_scan_fits_into_what_the_network_sees(extent, spacing, output):
    found = fingerprint(extent, spacing)
    plan = plan_for(found, output, machine=CPU)
    chosen = np.array(plan.preprocess.transforms[1].millimetres)
    assert (np.array(plan.window) * chosen >= np.array(found.largest) - 1e-2 * chosen).all()
    assert plan.preprocess.transforms[2].shape == plan.window
    assert plan.architecture.per_study == (output is not PointsOutput)
    assert all(level[0] != 2 for level in levels(plan))
    # Rounded up to what can be halved, and padded where there is little to halve.
    assert np.prod(plan.window) <= 40**3 * 2.5 or min(found.largest / chosen) < 10


@given(st.sampled_from((MaskOutput, *WHOLE)), st.sampled_from((CTVolume, MRVolume)))
def test_a_plan_that_was_written_is_the_same_plan(output, kind):
    plan = plan_for(fingerprint((90, 90, 90), (3, 1, 1), kind), output, machine=CPU)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_hounsfield_units_that_are_measured_stay_what_they_are():
    kinds = {}
    for output in (BeliefOutput, MeasurementOutput):
        plan = plan_for(fingerprint((90, 90, 90), (3, 1, 1), CTVolume), output, machine=CPU)
        kinds[output] = {type(t).__name__ for t in plan.augment.transforms}
    assert "Brightness" in kinds[BeliefOutput]
    assert "Brightness" not in kinds[MeasurementOutput]


def test_the_watch_finds_the_layers_that_see_two_slices():
    network = nn.Sequential(nn.Conv3d(1, 2, 3, stride=2, padding=1), nn.Conv3d(2, 2, 3, padding=1))
    assert miscalculated(network, (4, 8, 8)) == ["1"]
    assert miscalculated(network, (6, 8, 8)) == []
    assert not any(module._forward_pre_hooks for module in network)
    assert torch.is_grad_enabled()


LIVER = Structure("liver", 0.03, (150.0, 160.0, 180.0), scans=20)


def test_a_structure_is_not_coarsened_away():
    """A thin vessel in a large scan: at the spacing that is affordable it would be gone."""
    large = ((400, 350, 350), (1.0, 0.7, 0.7))
    thin = Structure("vessel", 0.0001, (90.0, 3.0, 4.0), scans=20)
    free = plan_for(fingerprint(*large, structures=(LIVER,)), MaskOutput, machine=CPU)
    held = plan_for(fingerprint(*large, structures=(LIVER, thin)), MaskOutput, machine=CPU)
    assert min(free.preprocess.transforms[1].millimetres) > 2.5
    assert max(held.preprocess.transforms[1].millimetres) <= 1.5
    assert "thinnest structure" in held.reasons[0]
    assert any("vessel with 0.0001" in reason for reason in held.reasons)


@given(extents, spacings, st.floats(1, 600), st.floats(1, 600))
def test_more_minutes_never_look_coarser(extent, spacing, one, other):
    less, more = sorted((one, other))
    plans = [
        plan_for(fingerprint(extent, spacing), MaskOutput, machine=CPU, minutes=minutes)
        for minutes in (less, more)
    ]
    coarse, fine = (np.prod(p.preprocess.transforms[1].millimetres) for p in plans)
    assert fine <= coarse * 1.001
    assert [p.minutes for p in plans] == [less, more]


@given(extents, spacings, st.floats(0.5, 80), st.sampled_from(("cpu", "cuda")))
def test_a_window_is_for_the_memory_that_there_is(extent, spacing, gigabytes, device):
    found = fingerprint(extent, spacing)
    small, large = (
        np.prod(plan_for(found, MaskOutput, machine=Machine(device, memory, 4)).window)
        for memory in (gigabytes, 200)
    )
    assert small <= large * 1.3  # windows are rounded to what can be halved
    plan = plan_for(found, MaskOutput, machine=Machine(device, gigabytes, 4))
    assert plan.workers == (3 if device == "cuda" else 0)


def card(gibibytes):
    return Machine("cuda", gibibytes * 1.0737, cores=8)


def reckoned(plan, classes):
    arguments = plan.architecture.arguments
    each = gigabytes_of(arguments["channels"], arguments["strides"], plan.window, classes)
    return plan.batch_size * each


ORGANS = tuple(Structure(f"organ {n}", 0.01, (60.0, 60.0, 60.0), 90) for n in range(7))
ABDOMEN = {"extent": (500, 400, 400), "spacing": (1.5, 0.8, 0.8), "structures": ORGANS}


def test_a_larger_card_sees_more_at_once_by_a_wider_network():
    """As nnU-Net's presets: 128 voxels along each axis for 8 GiB, some 160 for 24, up to 192 for 80."""
    found = fingerprint(**ABDOMEN, cases=100)
    windows = []
    for gibibytes in (8, 12, 24, 80):
        plan = plan_for(found, MaskOutput, machine=card(gibibytes))
        assert plan.architecture.arguments["channels"][0] == 32
        assert max(plan.architecture.arguments["channels"]) == 320
        assert 2 <= plan.batch_size <= 8
        assert reckoned(plan, classes=8) <= 0.85 * gibibytes * 1.0737 - 1
        assert "not measured on a card" in plan.reasons[-1]
        windows.append(np.prod(plan.window))
    assert windows == sorted(windows)
    for voxels, side in zip(windows, (128, 137, 154, 188), strict=True):
        assert 0.6 * side**3 < voxels < 1.1 * side**3
    alone = plan_for(found, MaskOutput, machine=CPU)
    assert alone.architecture.arguments["channels"][:2] == [16, 32]
    assert (alone.batch_size, alone.rate) == (2, 4e-3)
    assert not any("nnU-Net" in reason for reason in alone.reasons)


def test_small_scans_are_seen_many_at_a_time_but_never_most_of_them():
    def batch(cases, output=MaskOutput):
        found = fingerprint((35, 51, 35), (1, 1, 1), cases=cases)
        return plan_for(found, output, machine=card(24)).batch_size

    assert batch(3) == 2
    assert 2 < batch(120) < 8
    assert batch(1000) == 8
    assert (batch(10, BeliefOutput), batch(1000, BeliefOutput)) == (4, 8)


def test_of_many_structures_less_is_seen_at_once():
    many = tuple(Structure(f"bone {n}", 0.001, (60.0, 60.0, 60.0), 90) for n in range(104))
    found = fingerprint(**ABDOMEN | {"structures": many}, cases=100)
    plan = plan_for(found, MaskOutput, machine=card(8))
    assert plan.batch_size == 2
    assert reckoned(plan, classes=105) <= 0.85 * 8.6
    assert np.prod(plan.window) < 100**3


@given(extents, spacings, st.floats(2, 80), st.sampled_from((MaskOutput, *WHOLE)))
def test_a_plan_for_a_card_keeps_to_its_memory(extent, spacing, gibibytes, output):
    found = fingerprint(extent, spacing, structures=ORGANS, cases=50)
    plan = plan_for(found, output, machine=card(gibibytes))
    assert reckoned(plan, classes=8) <= 0.9 * gibibytes
    assert not any(np.array(plan.window) % plan.architecture.divisor)


@pytest.mark.parametrize("strides", [((2, 2, 2),) * 3, ((1, 2, 2), (2, 2, 2))])
def test_no_less_memory_is_reckoned_than_a_network_keeps(strides):
    """Bytes that are kept for the way back, counted on a processor; a card keeps half (bf16)."""
    widths, window, classes = channels(strides), (32, 32, 32), 5
    network = Architecture.residual_unet(channels=widths, strides=strides).build(1, classes)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = network(torch.randn(1, 1, *window))
    assert answer.requires_grad  # what was kept is there as long as it is
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    used = sum(size for place, size in kept.items() if place not in weights) / 2
    assert used < gigabytes_of(widths, strides, window, classes) * 1e9 < 8 * used


def test_why_nothing_is_mirrored_is_said():
    def said(*names):
        found = tuple(Structure(name, 0.01, (20.0, 20.0, 20.0), 5) for name in names)
        plan = plan_for(
            fingerprint((90, 90, 90), (3, 1, 1), structures=found), MaskOutput, machine=CPU
        )
        assert "Flip" not in {type(t).__name__ for t in plan.augment.transforms}
        return " ".join(plan.reasons)

    assert "eye_left would become the wrong side" in said("eye_left", "brain")
    assert "Flip from left to right" in said("kidney_left", "kidney_right")
    assert "no name says a side" in said("liver")


@given(extents, spacings, st.sampled_from(("cpu", "cuda")))
def test_looking_again_and_again_never_takes_longer_than_one_look_at_a_large_scan(
    extent, spacing, device
):
    plan = plan_for(fingerprint(extent, spacing), MaskOutput, machine=Machine(device))
    size = [
        round(e / s) for e, s in zip(extent, plan.preprocess.transforms[1].millimetres, strict=True)
    ]
    windows = window_count(size, plan.window)
    assert 1 <= plan.looks <= 8
    assert plan.looks == 1 or plan.looks * windows <= {"cpu": 16, "cuda": 64}[device] * 2
    # As in training, and never mirrored.
    assert {type(t) for t in plan.looking().varied.transforms} == {RandomAffine}


@pytest.mark.parametrize("output", [MaskOutput, *WHOLE])
def test_a_look_changes_nothing_that_is_asked_for(output):
    plan = plan_for(fingerprint((30, 30, 30), (1, 1, 1)), output, machine=CPU)
    (turned,) = plan.looking().varied.transforms
    assert plan.looks == 8
    assert (turned.scale == 0) == (output is MeasurementOutput)  # millimetres are what is measured


def edited(**parts):
    plan = plan_for(fingerprint((90, 90, 90), (3, 1, 1)), MaskOutput, machine=CPU)
    return Plan.from_dict(json.loads(json.dumps(plan.to_dict() | parts)))


def test_what_is_edited_in_a_plan_is_what_happens():
    plan = edited(schedule={"name": "cosine", "cycles": 2}, overlap=0.25, smoothing=0.1, minutes=3)
    assert plan.cycle().cycles == 2
    assert plan.cycle().peak == plan.rate
    assert (plan.overlap, plan.smoothing, plan.minutes) == (0.25, 0.1, 3)
    late = edited(schedule={"name": "one cycle", "rise": 0.5}).cycle()
    assert late.rate(0.5) == pytest.approx(plan.rate)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"schedule": {"name": "up"}}, "no schedule"),
        ({"schedule": {"name": "cosine", "rise": 0.1}}, "other arguments"),
        ({"overlap": 1.0}, "overlap"),
        ({"minutes": 0}, "minutes"),
        ({"kind": {"T1": "xray"}}, "no kind of scan"),
        ({"kind": ["mr"]}, "form"),
        ({"workers": 1.5}, "whole number"),
    ],
)
def test_an_edited_plan_that_cannot_be_is_refused(parts, reason):
    with pytest.raises(ValueError, match=reason):
        edited(**parts)
