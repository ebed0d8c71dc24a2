"""Recipes that resample say at once what they cannot do."""

from __future__ import annotations

import pytest

from medlib.transforms import RECIPES, Pipeline, Spacing


@pytest.mark.parametrize("sizes", ["x", (1.0, 1.0), (1.0, 1.0, -1.0), (1.0, "1", 1.0)])
def test_a_spacing_is_three_sizes(sizes):
    with pytest.raises(ValueError, match="three sizes in millimetres"):
        Spacing(sizes)


def test_a_damaged_spec_is_refused_when_it_is_read():
    (spec,) = Pipeline((Spacing((1.0, 1.0, 1.0)),)).to_list()
    with pytest.raises(ValueError, match="three sizes"):
        Pipeline.from_list([spec | {"millimetres": "x"}], allowed=RECIPES)
