"""What would hurt: image and mask parted, the wrong series changed, a draw that cannot be repeated."""

import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medlib.space import Affine, Grid
from medlib.transforms import (
    RECIPES,
    STEPS,
    Brightness,
    CropOrPad,
    Flip,
    Item,
    KeepLargest,
    Move,
    MoveBy,
    Noise,
    Normalise,
    OneHot,
    OneOf,
    Only,
    OnlyOn,
    Pipeline,
    Ramp,
    RandomAffine,
    RandomPatch,
    Remap,
    Reorient,
    Sequence,
    SomeOf,
    Spacing,
    Step,
    Trail,
    Transform,
    Window,
    apply,
)
from medlib.types import CTVolume, Labels, Mask, MRVolume, MultiVolume, PETVolume, Points, Volume

GRID = Grid.from_axes((6, 7, 8), spacing=(2, 1, 1))


def volume(kind=MRVolume, seed=0, grid=GRID):
    draw = torch.Generator().manual_seed(seed)
    return kind(torch.rand(1, *grid.shape, generator=draw), grid)


def mask(*names):
    data = torch.zeros(1, *GRID.shape, dtype=torch.uint8)
    data[0, 2:4, 2:5, 3:6] = 1
    return Mask(data, GRID, Labels.of(names or ["lesion"]))


def shifts(*millimetres):
    """Recipes that can be told from one another by what they draw."""
    return tuple(MoveBy(Affine.translation((mm, 0, 0))) for mm in millimetres)


def taken(recipe, seed=0, epoch=0):
    """The millimetres of the shifts that were drawn, in order."""
    steps = Pipeline((recipe,))(Item((volume(),)), seed=seed, epoch=epoch).trail.steps
    return tuple(float(step.map.matrix[0, 3]) for step in steps)


# --- one after another, one of several, some ----------------------------------------------------


def test_a_sequence_is_its_members_in_order_or_nothing():
    assert taken(Sequence(shifts(1, 2, 3))) == (1, 2, 3)
    found = Counter(taken(Sequence(shifts(1, 2), probability=0.25), seed=s) for s in range(400))
    assert set(found) == {(), (1, 2)}
    assert 70 <= found[1, 2] <= 130


def test_the_composition_s_probability_counts_first_and_then_each_member_s():
    often, seldom = MoveBy(Affine.identity(), probability=0.5), 0.5
    drawn = [len(taken(Sequence((often, often), probability=seldom), seed=s)) for s in range(800)]
    # Half the time nothing; of the other half a quarter none, a half one, a quarter both.
    counts = Counter(drawn)
    assert counts[0] == pytest.approx(800 * 5 / 8, abs=60)
    assert counts[1] == pytest.approx(800 * 2 / 8, abs=60)
    assert counts[2] == pytest.approx(800 * 1 / 8, abs=50)


def test_one_of_several_by_weight():
    even = Counter(taken(OneOf(shifts(1, 2)), seed=s) for s in range(400))
    assert set(even) == {(1,), (2,)}
    assert 160 <= even[1,] <= 240
    uneven = Counter(taken(OneOf(shifts(1, 2, 3), (3, 1, 0)), seed=s) for s in range(400))
    assert set(uneven) == {(1,), (2,)}
    assert 260 <= uneven[1,] <= 340


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 999))
def test_some_are_taken_in_their_order(least, more, seed):
    most = min(4, least + more)
    found = taken(SomeOf(shifts(1, 2, 3, 4), least, most), seed=seed)
    assert least <= len(found) <= most
    assert list(found) == sorted(set(found))


def test_every_number_of_some_is_as_likely_and_every_member_too():
    drawn = [taken(SomeOf(shifts(1, 2, 3), 1, 3), seed=s) for s in range(600)]
    lengths, members = Counter(map(len, drawn)), Counter(mm for each in drawn for mm in each)
    assert all(150 <= lengths[n] <= 250 for n in (1, 2, 3))
    assert all(340 <= members[mm] <= 460 for mm in (1, 2, 3))


def test_a_member_sees_what_those_before_it_have_left():
    recipe = Sequence((Spacing((1, 1, 1)), CropOrPad((5, 5, 5)), OneOf((RandomPatch((3, 3, 3)),))))
    item = Pipeline((recipe,))(Item((volume(), mask())))
    assert item.grid.shape == (3, 3, 3)
    moves = item.trail.steps
    assert all(a.landing == b.source for a, b in pairwise(moves))
    names = Sequence((Remap((("lesion", "tumour"),)), KeepLargest(("tumour",))))
    assert Pipeline((names,))(Item((mask(),))).values[0].labels.names == ("tumour",)


def test_moves_of_a_composition_are_still_one_interpolation():
    turn, back = (MoveBy(Affine.rotation((degrees, 0, 0))) for degrees in (20, -20))
    scan = volume()
    plain = Pipeline((turn, CropOrPad((24, 25, 26)), back))(Item((scan,)))
    within = Pipeline((Sequence((turn, OneOf((CropOrPad((24, 25, 26)),)), back)),))
    assert torch.equal(within(Item((scan,))).values[0].data, plain.values[0].data)


@pytest.mark.parametrize(
    "recipe",
    [
        Sequence((Noise(), Flip("left-right")), probability=0.0),
        OneOf((Noise(), Flip("left-right")), (1, 0)),
        SomeOf((Noise(), Flip("left-right")), 0, 0),
        Ramp(Flip("left-right", probability=0.0), 5),
        Sequence((OneOf((Sequence((Flip("left-right"),)),)),)),
    ],
    ids=lambda recipe: type(recipe).__name__,
)
def test_a_flip_that_names_cannot_follow_is_refused_however_deep_it_lies(recipe):
    for seed in range(3):
        with pytest.raises(ValueError, match="kidney_left into the wrong side"):
            Pipeline((recipe,))(Item((volume(), mask("kidney_left"))), seed=seed)


@pytest.mark.parametrize(
    ("recipe", "match"),
    [
        (lambda: OneOf(()), "one of no transforms"),
        (lambda: OneOf(shifts(1, 2), (1,)), "a weight each, not 1"),
        (lambda: OneOf(shifts(1, 2), (0, 0)), "not all 0"),
        (lambda: OneOf(shifts(1, 2), (2, -1)), "0 or more"),
        (lambda: OneOf(shifts(1, 2), (2, float("nan"))), "0 or more"),
        (lambda: SomeOf(shifts(1, 2), 1, 3), "from 1 to 3 of 2"),
        (lambda: SomeOf(shifts(1, 2), 2, 1), "from 2 to 1 of 2"),
        (lambda: Ramp(Noise(), 0), "an epoch or more"),
        (lambda: Ramp(Noise(), 3, stop=1.5), "from 0 to 1"),
        (lambda: Only(("CT",), Noise()), "no kind is called CT; there are: .*CTVolume"),
    ],
)
def test_compositions_that_are_none(recipe, match):
    with pytest.raises(ValueError, match=match):
        recipe()


# --- strength -----------------------------------------------------------------------------------


def test_strength_grows_evenly_with_the_epochs():
    ramp = Ramp(RandomAffine(degrees=0, scale=0, shift=10), epochs=4, start=0.25, stop=0.75)
    alone = RandomAffine(degrees=0, scale=0, shift=10)
    item = Item((volume(),), name="a")
    for epoch, share in ((0, 0.25), (1, 0.375), (4, 0.75), (100, 0.75)):
        (whole,) = Pipeline((alone,))(item, epoch=epoch).trail.steps
        (part,) = Pipeline((ramp,))(item, epoch=epoch).trail.steps
        assert part.map.matrix[:3, 3] == pytest.approx(share * whole.map.matrix[:3, 3])
        (half,) = Pipeline((ramp,))(item, epoch=epoch, strength=0.5).trail.steps
        assert half.map.matrix[:3, 3] == pytest.approx(share / 2 * whole.map.matrix[:3, 3])


def test_no_strength_changes_nothing():
    scan = volume()
    recipe = Ramp(Sequence((Noise(0.3), Brightness(0.4), RandomAffine(shift=3))), epochs=9)
    assert torch.allclose(Pipeline((recipe,))(Item((scan,))).values[0].data, scan.data, atol=1e-6)
    later = Pipeline((recipe,))(Item((scan,)), epoch=3).values[0].data
    assert not torch.allclose(later, scan.data, atol=1e-3)


# --- some kinds only ----------------------------------------------------------------------------


def test_only_what_is_named_is_changed_and_led_back():
    ct, pet, lesion = volume(CTVolume), volume(PETVolume, 1), mask()
    pipeline = Pipeline((Only(("CTVolume",), Normalise(mean=0.5, deviation=2)), Reorient("RAS")))
    item = pipeline(Item((ct, pet, lesion)))
    assert [v.units for v in item.values[:2]] == ["1", "SUVbw"]
    back = [item.trail.decode(value) for value in item.values]
    assert back[0].units == "HU"
    assert torch.allclose(back[0].data, ct.data, atol=1e-6)
    assert torch.equal(back[1].data, pet.data)
    assert torch.equal(back[2].data, lesion.data)


def test_the_series_of_a_study_are_meant_too():
    """A window in Hounsfield units must never reach the PET of a PET/CT."""
    both = MultiVolume((volume(PETVolume), volume(CTVolume, 1)), ("PET", "CT"))
    pipeline = Pipeline((Only(("CTVolume",), Window(0.5, 1)), CropOrPad((4, 4, 4))))
    item = pipeline(Item((both, mask())))
    assert item.values[0].names == ("PET", "CT")
    assert (item.values[0]["PET"].units, item.values[0]["CT"].units) == ("SUVbw", "1")
    middle = volume(PETVolume).data[:, 1:5, 1:5, 2:6]
    assert torch.equal(item.values[0]["PET"].data, middle)
    back = item.trail.decode(item.values[0])
    assert back["CT"].units == "HU"
    assert torch.equal(back["PET"].data[:, 1:5, 1:5, 2:6], middle)
    assert item.trail.lost() == ["CTVolume: values below 0 and above 1 (HU) were clipped"]


def test_several_series_of_a_kind_are_each_changed_in_their_own_way():
    study = MultiVolume((volume(), volume(PETVolume, 1), volume(seed=2)), ("T1", "PET", "FLAIR"))
    item = Pipeline((Only(("MRVolume",), Normalise()),))(Item((study,)))
    for name in ("T1", "FLAIR"):
        assert float(item.values[0][name].data.mean()) == pytest.approx(0, abs=1e-4)
    assert item.values[0]["PET"] is study["PET"]


def test_derived_kinds_count():
    class Spectral(CTVolume):
        """A kind of one's own."""

    scan = volume(Spectral)
    for kind in ("Spectral", "CTVolume", "Volume", "Kind"):
        item = Pipeline((Only((kind,), Window(0.5, 1)),))(Item((scan,)))
        assert item.values[0].units == "1", kind
    assert not Pipeline((Only(("PETVolume",), Window(0, 1)),))(Item((scan,))).trail.steps


def test_where_there_is_none_of_the_kind_nothing_is_done():
    scan = volume()
    item = Pipeline((Only(("CTVolume",), Noise(1)), Only(("Points",), Noise(1))))(Item((scan,)))
    assert item.values == (scan,)
    assert not item.trail.steps


@pytest.mark.parametrize(
    "recipe",
    [Flip("anterior-posterior"), RandomAffine(), Sequence((Noise(), Spacing((1, 1, 1))))],
    ids=lambda recipe: type(recipe).__name__,
)
def test_image_and_mask_cannot_be_parted(recipe):
    with pytest.raises(ValueError, match="MRVolume alone cannot be moved"):
        Pipeline((Only(("MRVolume",), recipe),))(Item((volume(), mask())))


@dataclass(frozen=True)
class Halve(Transform):
    """Draws a step of one's own that changes the grid."""

    def draw(self, scene, chance):
        return Halving()


@dataclass(frozen=True)
class Halving(Step):
    """A step that is no move, and lands on another grid all the same."""


@apply.register
def _(step: Halving, value: Volume) -> Volume:
    grid = value.grid.window((0, 0, 0), (3, 7, 8))
    return type(value)(value.data[:, :3], grid)


@pytest.mark.parametrize("recipe", [Halve(), OneHot()], ids=lambda recipe: type(recipe).__name__)
def test_nor_can_they_by_other_steps(recipe):
    kinds = ("MRVolume",) if isinstance(recipe, Halve) else ("Mask",)
    with pytest.raises(ValueError, match="would part it from the rest of the item"):
        Pipeline((Only(kinds, recipe),))(Item((volume(), mask())))


def test_a_mask_s_own_recipes_may_be_kept_from_it():
    item = Pipeline((Only(("Mask",), Remap((("lesion", "tumour"),))),))(Item((volume(), mask())))
    assert item.values[1].labels.names == ("tumour",)
    assert item.trail.decode(item.values[1]).labels.names == ("lesion",)


def test_moves_before_it_are_taken_and_moves_after_it_too():
    ct, pet = volume(CTVolume), volume(PETVolume, 1)
    recipes = (Spacing((1, 1, 1)), Only(("CTVolume",), Sequence((Noise(0.1), Brightness()))))
    item = Pipeline((*recipes, RandomPatch((4, 4, 4), on_label=1)))(Item((ct, pet, mask())))
    assert item.grid.shape == (4, 4, 4)
    assert [type(step) for step in item.trail.steps] == [Move, OnlyOn, OnlyOn, Move]
    assert item.trail.decode(item.values[2]).grid == GRID


# --- as plain values ----------------------------------------------------------------------------

DEEP = Pipeline(
    (
        Sequence((Reorient("RAS"), CropOrPad((5, 5, 5))), probability=0.9),
        SomeOf((Noise(0.1), OneOf((Brightness(), Ramp(Noise(0.2), 5, 0.5)), (1.0, 2.0))), 1, 2),
        Only(("MRVolume", "PETVolume"), OneOf((Sequence((Brightness(), Noise())),))),
        Only(("Mask",), KeepLargest()),
    )
)


def test_nested_recipes_and_their_trails_are_json():
    again = Pipeline.from_list(json.loads(json.dumps(DEEP.to_list())), allowed=RECIPES)
    assert again == DEEP
    item = DEEP(Item((volume(), mask()), name="a"), seed=4)
    trail = Trail.from_dict(json.loads(json.dumps(item.trail.to_dict())), steps=STEPS)
    assert trail == item.trail
    one, other = (t.decode(item.values[0]) for t in (item.trail, trail))
    assert torch.equal(one.data, other.data)


def test_a_file_cannot_hide_a_recipe_or_a_step_within_another():
    hidden = {"type": "Sequence", "transforms": [{"type": "Path", "x": 1}]}
    with pytest.raises(ValueError, match="'Path' is not one of the types allowed"):
        Pipeline.from_list([hidden], allowed=RECIPES)
    moving = OnlyOn(("Mask",), KeepLargest()._step()).to_dict()
    moving["step"] = Move(GRID, GRID).to_dict()
    with pytest.raises(ValueError, match="Mask alone cannot be moved"):
        Trail.from_dict(Trail().to_dict() | {"steps": [moving]}, steps=STEPS)


def test_the_same_seed_epoch_and_name_draw_the_same():
    def drawn(**how):
        return DEEP(Item((volume(), mask()), name=how.pop("name", "a")), **how).trail

    assert drawn(seed=3, epoch=2) == drawn(seed=3, epoch=2)
    assert len({str(drawn(seed=s).to_dict()) for s in range(8)}) == 8
    assert drawn(name="b") != drawn()


def test_points_stay_on_what_they_mark():
    tip = Points([[3.0, 4.0, 5.0]], ("tip",))
    recipe = Sequence((OneOf((RandomAffine(), Flip("superior-inferior"))), Noise(0.1)))
    item = Pipeline((recipe,))(Item((volume(), tip)))
    assert item.trail.decode(item.values[1]).coordinates == pytest.approx(tip.coordinates)
