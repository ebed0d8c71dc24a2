"""What plans begin with: a backbone only where it was measured to help."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlib.infer import BeliefOutput, BoxesOutput, MaskOutput, PointsOutput
from medlib.models import shipped
from medlib.train import Fingerprint, Plan, plan_for
from medlib.train.beginning import BACKBONE, begun, paced
from medlib.train.fingerprint import Intensities, Structure
from medlib.train.machine import Machine
from medlib.types import CTVolume, MRVolume

CPU = Machine("cpu", gigabytes=16, cores=2)
VOXELS = Intensities(MRVolume, low=-50.0, high=150.0, mean=40, deviation=20)
LIVER = (Structure("liver", 0.03, (150.0, 160.0, 180.0), scans=3),)
ABDOMEN = Fingerprint(
    *(MRVolume, (7.7, 1.25, 1.25), (280.0, 320.0, 320.0), (300.0, 320.0, 320.0), (VOXELS,)),
    structures=LIVER,
    cases=3,
)
CROP = replace(ABDOMEN, spacing=(1, 1, 1), extent=(35, 51, 35), largest=(40, 56, 40))
SEVERAL = (("T1", MRVolume), ("T2", MRVolume))


def planned(found, output=MaskOutput, machine=CPU):
    return begun(plan_for(found, output, machine=machine), found, output, machine)


def test_few_wide_scans_begin_with_shapes_and_say_why():
    plan = planned(ABDOMEN)
    assert plan.begin == BACKBONE
    assert plan.begin in shipped()
    assert "begun with medlib-synthetic-small" in plan.reasons[-1]
    assert plan.architecture.arguments["channels"] == [16, 32, 96, 256]
    assert Plan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize(
    ("found", "output", "machine"),
    [
        (CROP, MaskOutput, CPU),
        (replace(ABDOMEN, cases=13), MaskOutput, CPU),
        (ABDOMEN, MaskOutput, Machine("cuda", 24, 8)),
        (ABDOMEN, PointsOutput, CPU),
        (ABDOMEN, BeliefOutput, CPU),
        (ABDOMEN, BoxesOutput, CPU),
        (replace(ABDOMEN, kind=SEVERAL), MaskOutput, CPU),
    ],
    ids=["crop", "many", "card", "landmarks", "answers", "boxes", "several series"],
)
def test_where_nothing_was_measured_nothing_is_begun_with(found, output, machine):
    plan = plan_for(found, output, machine=machine)
    assert begun(plan, found, output, machine) == plan
    assert plan.begin == ""


def test_first_layers_keep_what_they_know_of_borders_but_not_where_a_scan_is_seen_whole():
    wide, whole = (
        paced(plan_for(found, MaskOutput, machine=CPU), found, MaskOutput)
        for found in (ABDOMEN, CROP)
    )
    assert (wide.spread, whole.spread) == (10.0, 1.0)
    assert planned(ABDOMEN).spread == 10.0
    assert Plan.from_dict(whole.to_dict()) == whole
    with pytest.raises(ValueError, match="1 time slower or more"):
        replace(whole, spread=0.5)


@given(st.tuples(*[st.floats(8, 500)] * 3), st.tuples(*[st.floats(0.3, 8)] * 3), st.integers(0, 20))
def test_whatever_the_scans_the_network_can_see_its_windows(extent, spacing, cases):
    whole = tuple(max(1, round(e / s)) * s for e, s in zip(extent, spacing, strict=True))
    found = Fingerprint(CTVolume, spacing, whole, whole, (VOXELS,), structures=LIVER, cases=cases)
    plan = planned(found)  # a plan refuses windows that its network cannot see
    assert (plan.begin == "") or cases <= 12


def test_a_plan_names_only_weights_that_there_are():
    with pytest.raises(ValueError, match="no weights 'elsewhere'"):
        replace(planned(ABDOMEN), begin="elsewhere")
