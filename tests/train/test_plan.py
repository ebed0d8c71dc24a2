"""Plans: whatever the scans are like, a window that the network can see, and no wrong arithmetic."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from medlib.infer import BeliefOutput, MaskOutput, MeasurementOutput, PointsOutput
from medlib.models import Architecture
from medlib.train import Fingerprint, Plan, plan_for
from medlib.train.fingerprint import Intensities
from medlib.train.machine import Machine
from medlib.train.precision import miscalculated
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
