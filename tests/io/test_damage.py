"""Damaged bytes: whatever is flipped, lost or added, the answer is a reason, never a crash."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medlib.io import UnreadableError, read_mask, survey, write_nifti, write_seg
from medlib.types import Labels, Mask

changes = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(min_size=0, max_size=4)),
    min_size=1,
    max_size=4,
)


def damaged(raw, edits, end):
    """Each edit replaces a few bytes, at a place given as a part of the first ``end`` bytes."""
    for place, lost, added in edits:
        at = int(place * min(end, len(raw)))
        raw = raw[:at] + added + raw[at + lost :]
    return raw


@pytest.fixture
def sound(tmp_path, series):
    made = series(n=4)
    made.save(tmp_path / "ct")
    (stack,) = survey(tmp_path / "ct").stacks
    voxels = torch.zeros(1, *stack.grid.shape, dtype=torch.uint8)
    voxels[0, 1:3, 2:5, 3:6] = 1
    mask = Mask(voxels, stack.grid, Labels.of(["liver"]))
    write_nifti(mask, tmp_path / "m.nii")
    write_seg(mask, stack, tmp_path / "s.dcm", algorithm_name="a", algorithm_version="1")
    return tmp_path, stack, made


def test_series(sound):
    folder, _, made = sound
    raw = (folder / "ct" / "002.dcm").read_bytes()
    pixels = made.stored[2].nbytes

    @settings(max_examples=150, deadline=None, database=None)
    @given(changes)
    def check(edits):
        (folder / "ct" / "002.dcm").write_bytes(damaged(raw, edits, len(raw) - pixels))
        found = survey(folder / "ct")
        assert found.stacks or found.refusals
        for stack in found.stacks:
            try:
                volume = stack.read()
            except UnreadableError:
                continue
            if stack.grid.shape[0] == 4 and volume.data.dtype == torch.int16:
                others = [0, 1, 3]
                assert np.array_equal(
                    volume.data[0, others], made.stored[others].astype(int) - 1024
                )

    check()


@pytest.mark.parametrize("name", ["m.nii", "s.dcm"])
def test_masks(sound, name):
    folder, stack, _ = sound
    raw = (folder / name).read_bytes()

    @settings(max_examples=150, deadline=None, database=None)
    @given(changes)
    def check(edits):
        (folder / name).write_bytes(damaged(raw, edits, len(raw)))
        try:
            mask = read_mask(folder / name, on=stack.grid)
        except UnreadableError:
            return
        assert mask.grid == stack.grid

    check()
