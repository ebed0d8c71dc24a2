"""Overlaps and non-maximum suppression, against MONAI's and the overlaps of boxes turned any way."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import oracle

from medlib.infer.suppression import suppressed, upright_overlaps
from medlib.train.detection import overlaps
from medlib.types import Boxes


def some_boxes(seed, count):
    draw = np.random.default_rng(seed)
    low = draw.uniform(0, 12, (count, 3))
    return np.stack([low, low + draw.uniform(2, 9, (count, 3))], 1), draw.permutation(count) / 40


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30), st.sampled_from([0.0, 0.1, 0.2, 0.5]))
def test_the_boxes_kept_are_those_that_monai_keeps(seed, count, most):
    theirs = oracle("monai.data.box_utils")
    ends, scores = some_boxes(seed, count)
    flat = torch.from_numpy(ends.reshape(-1, 6)).float()
    assert upright_overlaps(ends, ends) == pytest.approx(
        theirs.box_iou(flat, flat).numpy(), abs=1e-5
    )
    kept = theirs.non_max_suppression(flat, torch.from_numpy(scores), nms_thresh=most)
    assert suppressed(ends, scores, most).tolist() == kept.tolist()


def test_overlaps_are_those_of_boxes_that_may_be_turned():
    ends, _ = some_boxes(1, 12)
    corners = Boxes.between(ends[:, 0], ends[:, 1]).corners
    assert upright_overlaps(ends, ends) == pytest.approx(overlaps(corners, corners), abs=1e-9)


def test_what_is_flat_overlaps_with_nothing_and_none_is_none():
    flat = np.array([[[0.0, 0, 0], [3, 3, 0]]])
    assert upright_overlaps(flat, flat).tolist() == [[0.0]]
    assert suppressed(np.empty((0, 2, 3)), np.empty(0), 0.2).tolist() == []
