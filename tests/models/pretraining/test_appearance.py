"""How synthetic volumes look: reproducible, normalised, and true to their labels."""

import pytest
import torch

from medlib.models.pretraining import Configuration, appearance, shapes, volumes
from medlib.models.pretraining.pictures import picture
from medlib.models.pretraining.volumes import Batches

SIZE = (24, 32, 24)
SMALL = Configuration.from_dict(
    {"batch": 2, "channels": [8, 16], "forms": [{"size": [24, 24, 24]}, {"size": [8, 24, 24],
     "spacing": [3, 1, 1], "strides": [[1, 2, 2]]}]}
)  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return shapes(9, SIZE)


def test_an_appearance_is_the_same_again_and_each_view_another(made):
    first = appearance(made, 9, 0)
    assert torch.equal(first, appearance(made, 9, 0))
    assert not torch.allclose(first, appearance(made, 9, 1), atol=0.1)
    assert not torch.equal(first, appearance(made, 9, 0, seed=1))


def test_all_appearances_are_numbers_of_mean_0_and_deviation_1(made):
    for view in range(40):
        image = appearance(made, 9, view)
        assert image.shape == (1, *SIZE)
        assert image.isfinite().all()
        assert abs(float(image.mean())) < 1e-3
        assert float(image.std()) == pytest.approx(1.0, abs=1e-2)


def test_structures_stay_where_their_labels_are(made):
    """What a structure shares with itself is more than with the rest, in nearly all appearances."""
    labels = made.instance.long().flatten()
    explained = []
    for view in range(20):
        image = appearance(made, 9, view).flatten()
        counts = torch.bincount(labels)
        means = torch.bincount(labels, image.double()) / counts
        explained.append(float(means[labels].var() / image.double().var()))
    assert sorted(explained)[5] > 0.15
    assert max(explained) > 0.6


def test_batches_are_the_same_whoever_makes_them():
    alone = [volumes(SMALL, step) for step in (2, 3)]
    data = iter(Batches(SMALL, 2, torch.device("cpu")))
    for expected in alone:
        found = next(data)
        assert found.form == expected.form
        assert torch.equal(found.images, expected.images)
        assert torch.equal(found.instance, expected.instance)


def test_steps_have_volumes_of_their_own_and_all_forms_come():
    batches = [volumes(SMALL, step) for step in range(6)]
    assert {batch.form for batch in batches} == {0, 1}
    same = [b for b in batches if b.form == batches[0].form][:2]
    assert not torch.equal(same[0].instance, same[1].instance)
    assert not torch.equal(same[0].instance[0], same[0].instance[1])


def test_a_picture_has_a_row_a_volume():
    batch = volumes(SMALL, 0)
    figure = picture([batch], [SMALL.forms[batch.form].spacing])
    assert len(figure.axes) == 2 * 8
