"""Few scans are varied strongly, many mildly, and never so that a side or a label is lost."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medlib.infer import MaskOutput
from medlib.space import Grid
from medlib.train.fingerprint import Fingerprint, Intensities
from medlib.train.machine import Machine
from medlib.train.planning import plan_for
from medlib.train.variation import varied_patches
from medlib.transforms import Elastic, Flip, Item, RandomAffine, RandomPatch
from medlib.types import Labels, Mask, MRVolume

VOXELS = (Intensities(MRVolume, low=0, high=9, mean=4, deviation=2),)
extents = st.tuples(*[st.floats(8, 500)] * 3)


def scans(cases, extent=(40, 60, 60)):
    return Fingerprint(MRVolume, (2, 1, 1), extent, extent, VOXELS, cases=cases)


def drawn(pipeline, kind):
    return [t for t in pipeline.transforms if isinstance(t, kind)]


@given(st.integers(1, 30), extents)
def test_few_scans_are_bent_without_folds_and_never_mirrored(cases, extent):
    pipeline, why = varied_patches(scans(cases, extent), (16, 16, 16), 0.7)
    (bent,) = drawn(pipeline, Elastic)  # which refuses a bend that would fold
    assert bent.up_to <= 12
    assert bent.up_to <= 0.16 * min(extent)
    assert f"only {cases} scan" in why
    assert not drawn(pipeline, Flip)
    assert drawn(pipeline, RandomPatch)[0].shape == (16, 16, 16)


def test_many_scans_are_varied_mildly():
    pipeline, why = varied_patches(scans(31), (16, 16, 16), 0.7)
    assert not drawn(pipeline, Elastic)
    assert drawn(pipeline, RandomAffine)[0].degrees == 15
    assert "only" not in why


def test_a_fingerprint_without_cases_is_no_reason_to_vary_strongly():
    assert not drawn(varied_patches(scans(0), (16, 16, 16), 0.7)[0], Elastic)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 999))
def test_structures_of_few_scans_survive_and_stay_on_their_side(seed):
    """What lies in the patient's left half is found there again by the way back."""
    pipeline, _ = varied_patches(scans(1), (24, 32, 32), 0.7)
    labels = Labels.of(["left", "right"])
    voxels = torch.zeros(1, 20, 30, 30, dtype=torch.uint8)
    voxels[:, 6:14, 10:20, 18:26] = 1
    voxels[:, 6:14, 10:20, 4:12] = 2
    grid = Grid.from_axes((20, 30, 30))
    mask = Mask(voxels, grid, labels)
    item = pipeline(Item((MRVolume(voxels.float(), grid), mask)), seed=seed)
    back = item.trail.decode(item.values[1])
    for number in (1, 2):
        same = (back.data == number) & (voxels == number)
        assert same.sum() > 0.5 * (voxels == number).sum()


def test_prediction_looks_mildly_whatever_was_learned_from():
    plan = plan_for(scans(2), MaskOutput, machine=Machine("cpu"))
    (learned,) = drawn(plan.augment, RandomAffine)
    (looked,) = plan.looking().varied.transforms
    assert (learned.degrees, learned.scale) == (30, 0.2)
    assert (looked.degrees, looked.scale) == (15, 0.1)
