"""Every kind in a picture: it is drawn where it is in the patient, clear only where it is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids
from test_planes import picture
from tiny import SIDES, scan_of, structures

from medlib import show
from medlib.overlays import draw
from medlib.pictures import show_plane
from medlib.planes import PLANES, Panel, focus
from medlib.space import Affine, Grid
from medlib.types import (
    Boxes,
    Categories,
    Category,
    Contours,
    CTVolume,
    Labels,
    Mask,
    Measurement,
    MRVolume,
    MultiVolume,
    PETVolume,
    PointCloud,
    Points,
    Probabilities,
    Radiograph,
    Volume,
)

GRID = Grid.from_axes((16, 20, 24), spacing=(3.0, 1.5, 1.0), origin=(-40, 30, 900))
SCAN = MRVolume(torch.zeros(1, *GRID.shape), GRID)
LESION = Labels.of(["lesion"])


def panel(plane="axial", grid=GRID, voxel=(8, 10, 12), **how):
    from matplotlib.figure import Figure

    return Panel(Figure().subplots(), PLANES[plane], grid, voxel, **how)


def changed(plane, *values, at=GRID.centre, scan=SCAN):
    """Middle of what the values change in a picture: shares of its width and height; or None."""
    without, drawn = (
        picture(show_plane(plane, scan, *on, at=at, window=(0, 1))) for on in ((), values)
    )
    rows, columns = np.nonzero((drawn != without).any(-1))
    return (columns.mean() / drawn.shape[1], rows.mean() / drawn.shape[0]) if len(rows) else None


# --- places -------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(grids(sides=(2, 7)), st.sampled_from(list(PLANES)), st.data())
def test_a_place_is_drawn_on_the_voxel_that_holds_it(grid, plane, data):
    raised = grid.reoriented("SPL")
    voxel = tuple(data.draw(st.integers(0, n - 1)) for n in raised.shape)
    marked = torch.zeros(1, *raised.shape)
    marked[0][voxel] = 1
    here = panel(plane, raised, voxel)
    across, down, depth = here.place(raised.to_patient(voxel))
    image = here.cut(marked)[0]
    assert image[round(down), round(across)] == 1
    assert (across, down) == pytest.approx((round(across), round(down)), abs=1e-6)
    assert depth == pytest.approx(0, abs=1e-6)
    beyond = np.eye(3)[PLANES[plane].axis] * 2  # two slices in front
    depth = here.place(raised.to_patient(np.array(voxel) + beyond))[2]
    assert depth == pytest.approx(2 * raised.spacing[PLANES[plane].axis])


def test_what_is_cut_is_clear_and_what_is_near_is_faint():
    clear = panel().nearness(np.array([0, 1.5, -1.5, 1.6, -4, 8, 12, -300]))  # slices of 3 mm
    assert clear[:3].tolist() == [1, 1, 1]
    assert (clear[3:6] < 0.61).all()
    assert (np.diff(clear[3:6]) < 0).all()
    assert clear[6:].tolist() == [0, 0]


SEEN = {"axial": (0.75, 0.75), "coronal": (0.75, 0.25), "sagittal": (0.75, 0.25)}
CUBE = Grid.from_axes((20, 20, 20), spacing=(2, 2, 2), directions=-np.eye(3)[:, ::-1])
AWAY = np.array([10.0, 10, 10])  # left, back, head


def kinds_at(place):
    """A little of every shape around a place."""
    corners = np.array([[-3, -3, 0], [3, -3, 0], [3, 3, 0], [-3, 3, 0.0]])
    tilted = Affine.rotation((40, 35, 20))(corners)  # cut by every plane
    return [
        Points([place], ("tip",)),
        PointCloud([place]),
        Boxes.between([place - 3], [place + 3], ids=(1,), scores=(0.5,), labels=LESION),
        Contours(place + tilted, (4,), (1,), LESION),
    ]


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("number", range(4))
def test_shapes_are_drawn_on_their_side_of_the_patient(plane, number):
    scan = Volume(torch.zeros(1, 20, 20, 20), CUBE)
    place = CUBE.centre + AWAY
    found = changed(plane, kinds_at(place)[number], at=place, scan=scan)
    assert found == pytest.approx(SEEN[plane], abs=0.13)  # a name beside a point, too
    far = kinds_at(place)[number]
    assert changed(plane, far, at=CUBE.centre - AWAY, scan=scan) is None


@settings(max_examples=8)
@given(grids(sides=(20, 26), spacing=(0.8, 1.5), degrees=25, sheared=False))
def test_boxes_are_drawn_around_their_structures_on_oblique_scans(grid):
    index = np.moveaxis(np.indices(grid.shape), 0, -1) - np.array(grid.shape) // 2
    inside = (np.abs(index) <= (3, 4, 5)).all(-1)
    mask = Mask(torch.from_numpy(inside.astype(np.uint8))[None], grid, LESION)
    raised = grid.reoriented("SPL")
    voxel = tuple(int(k) for k in np.rint(raised.to_index(focus(grid, mask))))
    for plane in PLANES:
        here = panel(plane, raised, voxel)
        draw(Boxes.around(mask), here)
        (outline,) = [patch.get_xy()[:-1] for patch in here.axes.patches]
        order = [grid.orientation.index(next(b for b in pair if b in grid.orientation))
                 for pair in ("SI", "PA", "LR")]  # fmt: skip
        sizes = np.array((7, 9, 11))[order]
        down, across = (n for k, n in enumerate(sizes) if k != PLANES[plane].axis)
        assert np.ptp(outline, axis=0) == pytest.approx((across, down), abs=1e-6)
        assert len(outline) == 4


def test_contours_are_lines_in_their_plane_and_dots_where_another_cuts_them():
    z = GRID.to_patient([8, 0, 0])[2]
    middle = GRID.to_patient([8, 10, 12])
    square = np.array([[-5, -5, 0], [5, -5, 0], [5, 5, 0], [-5, 5, 0]]) + middle
    outline = Contours(square, (4,), (1,), LESION)
    here = panel("axial")
    assert draw(outline, here) == {"lesion": LESION["lesion"].colour}
    (line,) = here.axes.patches
    assert np.allclose(np.sort(np.unique(line.get_xy()[:, 0])), [7, 17])
    here = panel("coronal")
    draw(outline, here)
    (dots,) = here.axes.collections
    assert sorted(dots.get_offsets()[:, 0]) == pytest.approx([7, 17])
    assert here.place([[0, 0, z]])[0, 1] == pytest.approx(dots.get_offsets()[0, 1])
    here = panel("coronal", voxel=(8, 1, 12))
    assert draw(outline, here) == {}


# --- kinds of pictures --------------------------------------------------------------------------


def heat(figure):
    """The probabilities drawn in the axial panel."""
    return figure.axes[0].images[-1].get_array()


def test_probabilities_are_heat_of_the_likeliest_or_the_one_that_is_asked_for():
    data = torch.rand(3, *GRID.shape)
    sure = Probabilities(data, GRID, SIDES)
    at = GRID.to_patient([8, 10, 12])
    assert np.allclose(heat(show(SCAN, sure, at=at)), data[1:, 8].amax(0))
    named = show(SCAN, sure, at=at, label="right kidney")
    assert np.allclose(heat(named), data[2, 8])
    assert named.axes[-1].get_ylabel() == "probability of right kidney"
    assert np.allclose(heat(show(sure, at=at)), data[1:, 8].amax(0))
    with pytest.raises(ValueError, match="no probability of 'liver'; there is of: left kidney"):
        show(SCAN, sure, label="liver")
    halved = Probabilities(data[:, :8], GRID.window((0, 0, 0), (8, 20, 24)), SIDES)
    with pytest.raises(ValueError, match="probabilities is not on the scan's grid"):
        show(SCAN, halved)


def test_several_series_are_shown_under_each_other():
    mask = structures(GRID)
    pair = MultiVolume((scan_of(mask), PETVolume(torch.rand(1, *GRID.shape), GRID)), ("T1", "PET"))
    figure = show(pair, mask, Points([GRID.centre], ("middle",)))
    assert len(figure.axes) == 6
    assert [figure.axes[k].get_ylabel() for k in (0, 3)] == ["T1", "PET"]
    assert figure.axes[0].images[0].get_clim() != figure.axes[3].images[0].get_clim()
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} <= set(SIDES.names)


def test_a_radiograph_is_one_picture_in_which_nothing_is_too_deep():
    toward_left_and_feet = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]])
    grid = Grid.from_axes((1, 30, 40), directions=toward_left_and_feet)
    chest = Radiograph(torch.rand(1, 1, 30, 40), grid)
    place = grid.centre + np.array([10.0, 500, 8])
    box = Boxes.between([place - [3, 90, 3]], [place + np.array([3, 10, 3])])
    figure = show(chest, Points([place], ("left apex",)), box)
    (axes,) = figure.axes
    assert axes.get_title() == "coronal"
    assert [text.get_text() for text in axes.texts][-4:] == list("RLSI")
    assert np.array_equal(axes.images[0].get_array(), chest.data[0, 0])
    (across, down), (column, row) = axes.collections[0].get_offsets()[0], (29.5, 6.5)
    assert (across, down) == pytest.approx((column, row))
    assert axes.collections[0].get_facecolor()[0, 3] == 1
    (outline,) = (patch.get_xy() for patch in axes.patches)
    assert outline.max(0) == pytest.approx((column + 3, row + 3))


def test_without_a_scan_the_rest_is_drawn_on_black():
    for value in (structures(GRID), *kinds_at(np.array([100.0, -50, 30]))):
        image = picture(show(value))
        assert (image > 60).any(-1).sum() > 200  # letters, and more
        assert len(show(value).axes) == 3
    with pytest.raises(ValueError, match="nothing to show"):
        show(Points([]))


def test_answers_are_said():
    seen = (Category("benign", ("benign", "malignant")), Measurement(12, "mm", "long axis"))
    assert (
        show(SCAN, *seen)._suptitle.get_text() == "benign (of benign, malignant)\nlong axis 12 mm"
    )
    alone = show(Categories(("effusion",), ("effusion", "nodule")))
    assert [text.get_text() for text in alone.texts] == ["effusion (of effusion, nodule)"]
    assert not alone.axes


def test_two_scans_are_not_laid_upon_each_other():
    with pytest.raises(ValueError, match="one scan is shown at a time, and there are 2"):
        show(SCAN, CTVolume(SCAN.data, GRID))


def test_one_looks_first_at_a_shape_where_nothing_is_labelled():
    place = GRID.to_patient([3, 4, 5])
    for value in kinds_at(place):
        assert np.allclose(focus(GRID, value), place, atol=0.1)
    assert np.allclose(focus(GRID, Points([place, place + 9000])), place)
    assert np.allclose(focus(GRID, Points([])), GRID.to_patient([8, 10, 12]))
    likely = torch.zeros(2, *GRID.shape)
    likely[0] = 1
    likely[:, 3, 4, 5] = torch.tensor([0.0, 1.0])
    assert np.allclose(focus(GRID, Probabilities(likely, GRID, LESION)), place)
