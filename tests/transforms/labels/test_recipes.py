"""What would hurt: a lesion lost unsaid, labels merged silently, an organ filled over another."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import itk_image, oracle
from scipy import ndimage
from strategies import grids

from medlib.space import Grid
from medlib.transforms import (
    RECIPES,
    STEPS,
    CloseHoles,
    Encode,
    FillHoles,
    Item,
    KeepLargest,
    KeepParts,
    OneHot,
    Pipeline,
    Remap,
    RemoveSmall,
    Spacing,
    Trail,
    apply,
    undo,
)
from medlib.types import Code, Label, Labels, Mask, MRVolume, Points, Probabilities

ORGANS = Labels.of(["liver", "cyst", "spleen"])
shapes = st.tuples(*[st.integers(1, 9)] * 3)


@st.composite
def masks(draw, *, layers=(1, 2), labels=3, dtypes=(torch.uint8, torch.int16, torch.int64)):
    grid = draw(grids())
    shape = (draw(st.integers(*layers)), *grid.shape)
    data = draw(arrays(np.uint8, shape, elements=st.integers(0, labels), fill=st.just(0)))
    if draw(st.booleans()):  # hypothesis' own arrays are sparse
        data = np.random.default_rng(draw(st.integers(0, 99))).integers(0, labels + 1, shape)
    table = Labels.of([f"label {k}" for k in range(1, labels + 1)])
    return Mask(torch.from_numpy(data).to(draw(st.sampled_from(dtypes))), grid, table)


def drawn(*layers, labels=ORGANS, spacing=(1, 1, 1)):
    """Layers of (slice, row, column), written as nested lists."""
    data = torch.tensor(layers, dtype=torch.uint8)
    return Mask(data, Grid.from_axes(data.shape[1:], spacing=spacing), labels)


def done(recipe, *values):
    return Pipeline((recipe,))(Item(values))


# --- parts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("connectivity", "rank"), [(6, 1), (18, 2), (26, 3)])
@given(masks())
def test_the_largest_part_is_that_of_scipy_on_the_whole_scan(connectivity, rank, mask):
    kept = apply(KeepParts((), 1, connectivity=connectivity), mask)
    neighbours = ndimage.generate_binary_structure(3, rank)
    for layer, ours in zip(mask.data.numpy(), kept.data.numpy(), strict=True):
        for label in range(1, 4):
            parts, count = ndimage.label(layer == label, neighbours)
            sizes = [int((parts == k).sum()) for k in range(1, count + 1)]
            expected = parts == 1 + int(np.argmax(sizes)) if sizes else np.zeros(layer.shape, bool)
            assert np.array_equal(ours == label, expected)
    assert kept.data.dtype == mask.data.dtype


@given(masks(layers=(1, 1)))
def test_the_largest_part_is_that_of_itk(mask):
    sitk = oracle("SimpleITK")
    kept = apply(KeepParts(("label 2",), 1), mask)
    inside = itk_image((mask.data[0] == 2).byte(), Grid.from_axes(mask.grid.shape))
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(inside, True))
    sizes = np.bincount(sitk.GetArrayFromImage(parts).ravel())[1:]
    largest = int(sizes.max(initial=0))
    assert int((kept.data == 2).sum()) == largest
    if list(sizes).count(largest) == 1:
        assert np.array_equal(kept.data[0].numpy() == 2, sitk.GetArrayFromImage(parts) == 1)
    assert torch.equal(kept.data[mask.data != 2], mask.data[mask.data != 2])


@given(masks(), st.integers(1, 3))
def test_parts_that_are_kept_are_kept_again(mask, count):
    once = apply(KeepParts((), count), mask)
    assert apply(KeepParts((), count), once) is once


def test_as_many_parts_are_kept_as_are_asked_for():
    row = drawn([[[1, 1, 0, 1, 0, 1, 1, 1, 0, 2, 0, 2]]])
    assert done(KeepLargest(("liver",)), row).values[0].data.tolist() == [
        [[[0, 0, 0, 0, 0, 1, 1, 1, 0, 2, 0, 2]]]
    ]
    assert done(KeepLargest(("liver",), count=2), row).values[0].data.tolist() == [
        [[[1, 1, 0, 0, 0, 1, 1, 1, 0, 2, 0, 2]]]
    ]
    assert done(KeepLargest(), row).values[0].data.tolist() == [
        [[[0, 0, 0, 0, 0, 1, 1, 1, 0, 2, 0, 0]]]
    ]


def test_small_is_meant_in_millilitres():
    """A lesion of 0.5 ml is not below 0.5 ml, however the scan is turned and spaced."""
    mask = drawn([[[1] * 4 + [0] + [1] * 5 + [0, 3]]], spacing=(5, 5, 5))  # 0.125 ml a voxel
    kept = done(RemoveSmall(0.5), mask).values[0]
    assert kept is mask or kept.data.tolist() == [[[[1] * 4 + [0] + [1] * 5 + [0, 0]]]]
    kept = done(RemoveSmall(0.6, ("liver",)), mask).values[0]
    assert kept.data.tolist() == [[[[0] * 5 + [1] * 5 + [0, 3]]]]


@given(masks(labels=1, layers=(1, 1)), st.floats(0, 2))
def test_no_part_that_is_large_enough_is_removed(mask, ml):
    kept = apply(KeepParts((), None, ml, 6), mask)
    parts, count = ndimage.label(mask.data[0].numpy())
    for part in range(1, count + 1):
        inside = parts == part
        stays = int(inside.sum()) * mask.grid.voxel_ml >= ml * (1 - 1e-6)
        goes = int(inside.sum()) * mask.grid.voxel_ml <= ml * (1 - 1e-6)
        found = kept.data[0].numpy()[inside]
        assert (stays and (found == 1).all()) or (goes and (found == 0).all())


def test_what_is_removed_is_said():
    mask = drawn([[[1, 0, 1, 1]]])
    item = Pipeline((KeepLargest(("liver",)), KeepLargest(count=2), RemoveSmall(0.5)))(
        Item((mask,))
    )
    assert item.trail.lost() == [
        "of the parts of liver, all but the largest were removed",
        "of the parts of every structure, all but the largest 2 were removed",
        "of the parts of every structure, those below 0.5 ml were removed",
    ]


# --- holes --------------------------------------------------------------------------------------


@given(masks(labels=1, layers=(1, 1)))
def test_holes_are_those_of_scipy_and_itk(mask):
    sitk = oracle("SimpleITK")
    filled = apply(CloseHoles(), mask).data[0].numpy()
    inside = mask.data[0].numpy() == 1
    assert np.array_equal(filled == 1, ndimage.binary_fill_holes(inside))
    image = itk_image(torch.from_numpy(inside).byte(), Grid.from_axes(mask.grid.shape))
    assert np.array_equal(filled, sitk.GetArrayFromImage(sitk.BinaryFillhole(image, False, 1)))


@given(masks(labels=1, layers=(1, 1)), st.sampled_from(("axial", "coronal", "sagittal")))
def test_holes_in_planes_are_those_of_scipy_in_each_plane(mask, plane):
    filled = apply(CloseHoles(("label 1",), plane), mask).data[0].numpy()
    letters = {"axial": "SI", "coronal": "AP", "sagittal": "LR"}[plane]
    across = next(k for k, letter in enumerate(mask.grid.orientation) if letter in letters)
    inside = np.moveaxis(mask.data[0].numpy() == 1, across, 0)
    expected = np.stack([ndimage.binary_fill_holes(section) for section in inside])
    assert np.array_equal(np.moveaxis(filled, across, 0) == 1, expected)


@given(masks(), st.sampled_from((None, "axial")))
def test_no_voxel_of_a_label_is_filled_over(mask, plane):
    filled = apply(CloseHoles((), plane), mask)
    labelled = (mask.data != 0).any(0)
    assert torch.equal(filled.data[:, labelled], mask.data[:, labelled])
    again = apply(CloseHoles((), plane), filled)
    assert torch.equal(again.data, filled.data)


def ring(size, width=1):
    """A square of 1 around nothing."""
    square = np.zeros((size, size), np.uint8)
    square[:] = 1
    square[width:-width, width:-width] = 0
    return square


def test_a_hole_in_a_hole_goes_to_the_inner_structure():
    """The lumen of a vessel in the liver is not liver, whichever has the lower id."""
    for outer, inner in ((1, 3), (3, 1)):
        data = np.zeros((9, 9), np.uint8)
        data[:] = ring(9) * outer
        data[2:7, 2:7] = ring(5) * inner
        filled = done(FillHoles(plane="axial"), drawn([data.tolist()])).values[0].data[0, 0]
        assert (filled[3:6, 3:6] == inner).all()
        assert (filled[1, 1:8] == outer).all()
        assert int((filled == inner).sum()) == 25


def test_a_tube_that_is_longer_than_what_surrounds_it_keeps_its_lumen():
    data = np.zeros((5, 9, 9), np.uint8)
    data[:, 2:7, 2:7] = ring(5) * 3
    data[2] += ring(9)
    filled = done(FillHoles(plane="axial"), drawn(data.tolist())).values[0].data[0]
    assert (filled[:, 3:6, 3:6] == 3).all()


def test_a_lesion_in_another_layer_keeps_its_place_to_itself():
    liver, lesion = ring(5)[None], np.zeros((1, 5, 5), np.uint8)
    lesion[0, 2, 2] = 2
    filled = done(FillHoles(plane="axial"), drawn(liver.tolist(), lesion.tolist())).values[0]
    assert filled.data[0, 0, 2, 2] == 0
    assert int((filled.data[0] == 1).sum()) == 24
    assert torch.equal(filled.data[1], torch.from_numpy(lesion))


def test_a_hole_that_is_open_to_the_edge_of_the_scan_is_none():
    mask = drawn([[[1, 1, 1], [1, 0, 0], [1, 1, 1]]] * 3)
    assert done(FillHoles(), mask).values[0] is mask
    assert done(FillHoles(("spleen",), "axial"), mask).values[0] is mask


# --- other tables -------------------------------------------------------------------------------


def table(**ids):
    return Labels(tuple(Label(i, name, Code(str(i), "SCT", name)) for name, i in ids.items()))


@given(masks(dtypes=(torch.uint8, torch.int32)), st.permutations(["a", "b", "c"]))
def test_what_is_mapped_one_to_one_comes_back_bit_by_bit(mask, names):
    old = [f"label {k}" for k in (1, 2, 3)]
    item = done(Remap(tuple(zip(old, names, strict=True))), mask)
    remapped = item.values[0]
    for before, after in zip(old, names, strict=True):
        assert torch.equal(remapped.structure(after), mask.structure(before))
    back = item.trail.decode(remapped)
    assert torch.equal(back.data, mask.data)
    assert back.labels == mask.labels
    assert item.trail.lost() == []


def test_what_becomes_of_ids_names_colours_and_codes():
    before = table(liver=5, cyst=9, metastasis=300)
    mask = Mask(torch.tensor([[[[5, 9, 300, 0]]]]), Grid.from_axes((1, 1, 4)), before)
    recipe = Remap(
        (("cyst", "lesion"), ("metastasis", "lesion"), ("liver", "hepar")),
        labels=((7, "hepar"), (9, "lesion")),
    )
    item = done(recipe, mask)
    assert item.values[0].data.tolist() == [[[[7, 9, 9, 0]]]]
    hepar, lesion = item.values[0].labels
    assert (hepar.id, hepar.name, hepar.code) == (7, "hepar", before["liver"].code)
    assert hepar.colour == before["liver"].colour
    # A lesion is neither a cyst nor a metastasis: it must not bear the code of either.
    assert (lesion.id, lesion.name, lesion.code) == (9, "lesion", None)
    assert item.trail.lost() == ["cyst, metastasis were merged into lesion"]
    # Nobody knows which lesion was a cyst: none is called so.
    assert item.trail.decode(item.values[0]) is item.values[0]


def test_a_part_that_joins_its_organ_leaves_the_organ_its_code():
    before = table(liver=1, tumour=2)
    mask = Mask(torch.tensor([[[[1, 2]]]]), Grid.from_axes((1, 1, 2)), before)
    (merged,) = done(Remap((("tumour", "liver"), ("liver", "liver"))), mask).values
    assert merged.labels == table(liver=1)


def test_labels_that_are_dropped_are_told_and_the_others_come_back():
    mask = drawn([[[1, 2, 3]]])
    item = done(Remap((("spleen", "spleen"),), others=""), mask)
    assert item.values[0].data.tolist() == [[[[0, 0, 1]]]]
    assert item.trail.lost() == ["liver, cyst, ids without a name became background"]
    back = item.trail.decode(item.values[0])
    assert (back.data.tolist(), back.labels) == ([[[[0, 0, 3]]]], ORGANS)


def test_a_label_of_which_nothing_is_said_is_neither_kept_nor_lost():
    mask = drawn([[[1, 2, 3]]])
    with pytest.raises(ValueError, match="nothing is said of cyst, spleen"):
        done(Remap((("liver", "organ"),)), mask)
    stray = Mask(torch.tensor([[[[1, 77]]]]), Grid.from_axes((1, 1, 2)), Labels.of(["liver"]))
    with pytest.raises(ValueError, match="holds the ids 77, of which nothing is said"):
        done(Remap((("liver", "organ"),)), stray)
    (merged,) = done(Remap((("liver", "organ"),), others="other"), stray).values
    assert merged.data.tolist() == [[[[1, 2]]]]


@pytest.mark.parametrize(
    ("recipe", "match"),
    [
        (lambda: Remap((("a", "b"), ("a", "c"))), "a cannot become two things"),
        (lambda: Remap((("a", "b"),), labels=((1, "c"),)), "new label table lacks b"),
        (lambda: Remap((("a", "b"),), labels=((1, "b"),), others="z"), "lacks z"),
    ],
)
def test_mappings_that_are_none(recipe, match):
    with pytest.raises(ValueError, match=match):
        recipe()


def test_the_one_table_that_is_meant_is_found_and_others_are_left_alone():
    organs, lesions = drawn([[[1, 3]]]), drawn([[[1, 0]]], labels=Labels.of(["lesion"]))
    item = done(Remap((("lesion", "tumour"),)), organs, lesions)
    assert item.values[0] is organs
    assert item.values[1].labels.names == ("tumour",)
    with pytest.raises(ValueError, match="2 label tables have any of cyst"):
        done(Remap((("cyst", "x"),)), organs, drawn([[[1, 0]]], labels=Labels.of(["cyst"])))
    with pytest.raises(ValueError, match=r"0 label tables have any of kidney.*liver, cyst, spleen"):
        done(Remap((("kidney", "x"),)), organs)
    with pytest.raises(ValueError, match="given twice, by its name and by its id"):
        done(Remap((("liver", "x"), (1, "y")), others=""), organs)
    with pytest.raises(ValueError, match="no label is 'kidney'"):
        done(Remap((("liver", "x"), ("kidney", "y"))), organs)


def test_a_prediction_of_another_table_is_not_taken_for_this_one():
    item = done(Remap((("liver", "spleen"), ("cyst", "liver"), ("spleen", "cyst"))), drawn([[[1]]]))
    stranger = drawn([[[1]]], labels=Labels.of(["cyst", "liver"]))
    with pytest.raises(ValueError, match="its label table is another"):
        item.trail.decode(stranger)


def test_ids_without_names_get_some():
    bare = Mask(torch.tensor([[[[True, False]]]]), Grid.from_axes((1, 1, 2)))
    (named,) = done(Remap(((1, "lesion"),), labels=((300, "lesion"),)), bare).values
    assert named.data.tolist() == [[[[300, 0]]]]
    assert named.structure("lesion").tolist() == [[[True, False]]]


# --- a channel a label --------------------------------------------------------------------------


@given(masks(layers=(1, 3)))
def test_every_structure_has_its_channel_and_comes_back(mask):
    item = done(OneHot(), mask)
    (coded,) = item.values
    assert isinstance(coded, Probabilities)
    for channel, name in zip(coded.data[1:], mask.labels.names, strict=True):
        assert torch.equal(channel.bool(), mask.structure(name))
    assert torch.equal(coded.data[0].bool(), (mask.data == 0).all(0))
    back = item.trail.decode(coded)
    for name in mask.labels.names:
        assert torch.equal(back.structure(name), mask.structure(name))
    if not mask.overlaps:
        assert torch.equal(back.data.long(), mask.data.long())


def test_one_hot_is_torch_s():
    data = torch.randint(0, 4, (1, 5, 6, 7), generator=torch.Generator().manual_seed(0))
    mask = Mask(data, Grid.from_axes((5, 6, 7)), ORGANS)
    theirs = torch.nn.functional.one_hot(data[0], 4).permute(3, 0, 1, 2)
    assert torch.equal(apply(Encode(), mask).data, theirs.float())


def test_soft_answers_become_what_is_most_probable():
    grid = Grid.from_axes((1, 1, 2))
    soft = torch.tensor([[0.3, 0.5], [0.4, 0.3], [0.3, 0.1], [0.0, 0.1]])[:, None, None]
    probable = Probabilities(soft, grid, ORGANS)
    assert undo(Encode(), probable).data.tolist() == [[[[1, 0]]]]
    # Where structures may overlap, each is asked for by itself: is it more probable than not?
    assert undo(Encode(overlapping=True), probable).data.tolist() == [[[[0, 0]]]]
    both = Probabilities(torch.tensor([0.1, 0.8, 0.6, 0.2])[:, None, None, None].expand(-1, 1, 1, 2),
                         grid, ORGANS)  # fmt: skip
    assert undo(Encode(overlapping=True), both).data.tolist() == [[[[1, 1]]], [[[2, 2]]]]


def test_one_mask_with_overlaps_is_enough_to_keep_them():
    layered, plain = drawn([[[1, 1]]], [[[0, 2]]]), drawn([[[3, 0]]])
    item = done(OneHot(), plain, layered)
    back = item.trail.decode(item.values[1])
    assert back.structure("liver").tolist() == [[[True, True]]]
    assert back.structure("cyst").tolist() == [[[False, True]]]


def test_an_id_that_has_no_channel_is_refused():
    stray = Mask(torch.tensor([[[[1, 4]]]]), Grid.from_axes((1, 1, 2)), ORGANS)
    with pytest.raises(ValueError, match="the ids 4, which its label table has not"):
        done(OneHot(), stray)


# --- all of them --------------------------------------------------------------------------------

EXAMPLES = (
    Remap((("liver", "organ"), ("spleen", "organ"), ("cyst", "lesion"))),
    Remap(((1, "x"),), ((4, "x"),), others=""),
    KeepLargest(("liver", "cyst"), 2, 6),
    RemoveSmall(0.5, ("cyst",), 18, probability=0.5),
    FillHoles(("liver",), "coronal"),
    OneHot(),
)


@pytest.mark.parametrize("recipe", EXAMPLES, ids=lambda recipe: type(recipe).__name__)
def test_recipes_and_their_trails_are_json(recipe):
    pipeline = Pipeline((recipe,))
    again = Pipeline.from_list(json.loads(json.dumps(pipeline.to_list())), allowed=RECIPES)
    assert again == pipeline
    mask = drawn([[[1, 2, 3, 0]]])
    trail = pipeline(Item((mask,))).trail
    assert Trail.from_dict(json.loads(json.dumps(trail.to_dict())), steps=STEPS) == trail


@pytest.mark.parametrize("recipe", EXAMPLES, ids=lambda recipe: type(recipe).__name__)
def test_all_but_masks_pass_through(recipe):
    mask = drawn([[[1, 2, 3, 0]]])
    others = (MRVolume(torch.rand(1, 1, 1, 4), mask.grid), Points([[0, 0, 0]]))
    item = done(recipe, *others, mask)
    assert item.values[:2] == others
    assert all(item.trail.decode(value) is value for value in others)


@pytest.mark.parametrize(
    "recipe",
    [KeepLargest(("kidney",)), RemoveSmall(1, ("kidney",)), FillHoles(("liver", "kidney"))],
    ids=lambda recipe: type(recipe).__name__,
)
def test_a_name_that_no_mask_has_is_not_passed_over(recipe):
    with pytest.raises(ValueError, match="no mask has kidney; there are: liver, cyst, spleen"):
        done(recipe, drawn([[[1]]]))


@pytest.mark.parametrize(
    ("recipe", "error", "match"),
    [
        (lambda: KeepLargest(count=0), ValueError, "at least one part"),
        (lambda: KeepLargest(connectivity=8), ValueError, "6, 18 or 26"),
        (lambda: KeepLargest("liver"), TypeError, r"\('liver',\), not 'liver'"),
        (lambda: RemoveSmall(-1), ValueError, "0 ml or more"),
        (lambda: RemoveSmall(float("nan")), ValueError, "0 ml or more"),
        (lambda: FillHoles(plane="oblique"), ValueError, "axial, coronal, sagittal"),
    ],
)
def test_recipes_that_are_none(recipe, error, match):
    with pytest.raises(error, match=match):
        recipe()


def test_labels_in_another_pipeline_s_end_come_back_to_the_scan():
    grid = Grid.from_axes((6, 8, 8), spacing=(2, 1, 1))
    data = torch.zeros(1, 6, 8, 8, dtype=torch.uint8)
    data[0, 1:5, 2:7, 2:7] = 1
    data[0, 2, 4, 4] = 0
    mask = Mask(data, grid, ORGANS)
    recipes = (Spacing((1, 1, 1)), FillHoles(), Remap((("liver", "organ"),), others=""), OneHot())
    item = Pipeline(recipes)(Item((mask,)))
    back = item.trail.decode(item.values[0])
    assert (back.grid, back.labels) == (grid, ORGANS)
    filled = data.clone()
    filled[0, 2, 4, 4] = 1
    assert torch.equal(back.data, filled)


def test_booleans_stay_booleans():
    data = torch.tensor([[[[1, 0, 1, 1]]]], dtype=torch.bool)
    mask = Mask(data, Grid.from_axes((1, 1, 4)), Labels.of(["lesion"]))
    kept = done(KeepLargest(), mask).values[0]
    assert kept.data.dtype == torch.bool
    assert kept.data.tolist() == [[[[False, False, True, True]]]]
    assert mask.data is data
    assert data.tolist() == [[[[True, False, True, True]]]]


# --- masks that do not know everything ----------------------------------------------------


def partly(annotated=("liver", "cyst")):
    """Spleen not looked for, the last slice not looked at."""
    data = torch.tensor([[[[1, 2, 3]], [[0, 1, 1]], [[9, 9, 9]]]], dtype=torch.uint8)
    table = Labels.of(["liver", "cyst", "spleen"], ignored=9)
    return Mask(data, Grid.from_axes((3, 1, 3)), table, annotated=annotated)


@pytest.mark.parametrize("others", ["", None])
def test_what_nobody_looked_at_never_becomes_background(others):
    names = (("liver", "organ"), ("spleen", "organ"), ("cyst", "cyst"))
    item = done(Remap(names if others is None else names[:1], others=others), partly())
    (mask,) = item.values
    assert mask.labels.ignored == 9
    assert torch.equal(mask.unseen(), partly().unseen())
    assert torch.equal(item.trail.decode(mask).unseen(), partly().unseen())


def test_what_is_made_of_something_nobody_looked_for_was_not_looked_for():
    merged = Remap((("liver", "organ"), ("spleen", "organ"), ("cyst", "cyst")))
    assert done(merged, partly()).values[0].annotated == ("cyst",)
    assert done(merged, partly(None)).values[0].annotated is None
    rows = ((1, "kidney"), (2, "liver"))  # the table of several data sets, of which this is one
    wider = done(Remap((("liver", "liver"),), others="", labels=rows), partly(None))
    assert wider.values[0].known.names == ("liver",)
    renamed = done(Remap((("liver", "a"), ("spleen", "b"), ("cyst", "c"))), partly())
    assert renamed.values[0].annotated == ("a", "c")
    assert renamed.trail.decode(renamed.values[0]).annotated == ("liver", "cyst")


def test_an_id_that_means_unseen_cannot_become_a_structure():
    with pytest.raises(ValueError, match="both 'organ' and 'not annotated'"):
        done(Remap((("liver", "organ"),), others="", labels=((9, "organ"),)), partly())


@pytest.mark.parametrize("recipe", [KeepLargest(), RemoveSmall(below_ml=0.0015), FillHoles()])
def test_cleaning_leaves_alone_what_nobody_looked_at(recipe):
    (mask,) = done(recipe, partly()).values
    assert torch.equal(mask.unseen(), partly().unseen())
    assert mask.annotated == partly().annotated


def test_probabilities_cannot_say_that_nobody_looked():
    for mask in (partly(), partly(None)):
        with pytest.raises(ValueError, match="in part only"):
            done(OneHot(), mask)


@pytest.mark.parametrize("how", ["nearest", "linear"])
def test_moves_carry_what_is_not_known(how):
    item = done(Spacing((0.5, 1, 0.7), labels=how), partly())
    (mask,) = item.values
    assert mask.unseen().any()
    assert set(mask.data.unique().tolist()) <= {0, 1, 2, 3, 9}
    assert (mask.annotated, mask.labels) == (partly().annotated, partly().labels)
    assert item.trail.decode(mask).annotated == partly().annotated
