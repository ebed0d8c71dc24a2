"""Pictures of planes: what is at the patient's left must be seen there, and nothing left out."""

import numpy as np
import pytest
import torch
from tiny import structures

from medlib.pictures import show_plane
from medlib.planes import CT_WINDOWS, PLANES, default_window, focus, upright
from medlib.space import Grid
from medlib.types import CTVolume, Labels, Mask, MRVolume, Volume

# Towards the patient's left, back and head: the sign along x, y, z, and where it is to be seen.
SEEN = {
    "axial": {0: (1, "right"), 1: (1, "bottom")},
    "coronal": {0: (1, "right"), 2: (1, "top")},
    "sagittal": {1: (1, "right"), 2: (1, "top")},
}
TURNED = ["SPL", "IAR", "LSP", "PRI", "RAS"]


def picture(figure) -> np.ndarray:
    """(row, column, 3), of what is drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def marked(orientation: str, axis: int) -> tuple[Volume, Mask, np.ndarray]:
    """Black all over but for a block away from the middle, towards + along a patient axis."""
    grid = Grid.from_axes((12, 14, 16), spacing=(2.0, 1.5, 1.0), origin=(-40, 30, 900))
    mask = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    block = [slice(4, 9)] * 3
    block[2 - axis] = slice(grid.shape[2 - axis] - 4, grid.shape[2 - axis] - 1)
    mask[0][tuple(block)] = 1
    data = Mask(mask, grid, Labels.of(["block"]))
    centre = grid.centre
    # The same patient in a file whose axes run another way, by NumPy alone.
    other = grid.reoriented(orientation)
    index = np.stack(np.meshgrid(*map(np.arange, other.shape), indexing="ij"), -1)
    i, j, k = np.rint(grid.to_index(other.to_patient(index))).astype(int).reshape(-1, 3).T
    turned = Mask(data.data[:, i, j, k].reshape(1, *other.shape), other, data.labels)
    return MRVolume(torch.zeros(1, *other.shape), other), turned, centre


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize(("plane", "axis"), [(p, a) for p in SEEN for a in SEEN[p]])
def test_sides_are_where_radiologists_look_for_them(plane, axis, orientation):
    scan, mask, at = marked(orientation, axis)
    without = picture(show_plane(plane, scan, at=at, window=(0, 1)))
    drawn = picture(show_plane(plane, scan, mask, at=at, window=(0, 1), opacity=1))
    rows, columns = np.nonzero((drawn != without).any(-1))
    middle = (np.array(drawn.shape[:2]) - 1) / 2
    down, across = rows.mean() - middle[0], columns.mean() - middle[1]
    _, side = SEEN[plane][axis]
    along, aside = (across, down) if side in {"left", "right"} else (down, across)
    assert np.sign(along) == (1 if side in {"right", "bottom"} else -1)
    assert abs(along) > 3 * abs(aside)


def test_letters_name_the_sides():
    assert {name: plane.letters for name, plane in PLANES.items()} == {
        "axial": "RLAP",
        "coronal": "RLSI",
        "sagittal": "APSI",
    }
    grid = Grid.from_axes((4, 4, 4))
    figure = show_plane("axial", Volume(torch.zeros(1, 4, 4, 4), grid), at=grid.centre)
    at = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert at["R"][0] < 0.1
    assert at["L"][0] > 0.9
    assert at["A"][1] > 0.9
    assert at["P"][1] < 0.1


def test_lengths_in_the_picture_are_those_in_the_patient():
    grid = Grid.from_axes((10, 40, 80), spacing=(8.0, 2.0, 1.0))  # a cube of 80 mm
    scan = Volume(torch.ones(1, 10, 40, 80), grid)
    for plane in PLANES:
        bright = picture(show_plane(plane, scan, at=grid.centre, window=(0, 1))).min(-1) > 200
        rows, columns = np.nonzero(bright)
        assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_a_structure_that_fills_the_plane_is_drawn():
    grid = Grid.from_axes((3, 5, 6))
    scan = Volume(torch.zeros(1, 3, 5, 6), grid)
    mask = Mask(torch.ones(1, 3, 5, 6, dtype=torch.uint8), grid, Labels.of(["all"]))
    plain, drawn = (
        picture(show_plane("axial", scan, *on, at=grid.centre, window=(0, 1)))
        for on in ((), (mask,))
    )
    assert ((plain != drawn).any(-1)).mean() > 0.5


def test_overlapping_structures_are_both_outlined():
    grid = Grid.from_axes((3, 20, 20))
    layers = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    layers[0, :, 2:18, 2:18] = 1
    layers[1, :, 8:12, 8:12] = 2
    mask = Mask(layers, grid, Labels.of(["liver", "lesion"]))
    figure = show_plane("axial", Volume(torch.zeros(1, 3, 20, 20), grid), mask, at=grid.centre)
    colours = {tuple(c.get_edgecolor()[0][:3]) for c in figure.axes[0].collections}
    assert len(colours) == 2


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 1, 8), (1, 1, 1)])
def test_a_single_slice_is_drawn(shape):
    grid = Grid.from_axes(shape)
    mask = Mask(torch.ones(1, *shape, dtype=torch.uint8), grid, Labels.of(["all"]))
    for plane in PLANES:
        picture(show_plane(plane, Volume(torch.zeros(1, *shape), grid), mask, at=grid.centre))


def test_a_mask_of_another_grid_is_refused():
    from medlib.pictures import show

    grid = Grid.from_axes((6, 6, 6))
    mask = structures(grid.window((0, 0, 1), (6, 6, 6)))
    scan = Volume(torch.zeros(1, 6, 6, 6), grid)
    with pytest.raises(ValueError, match=r"not on the scan's grid.*1 mm apart"):
        show_plane("axial", scan, mask, at=grid.centre)
    with pytest.raises(ValueError, match="not on the scan's grid"):
        show(scan, mask)


def test_a_point_outside_the_scan_is_refused():
    from medlib.pictures import show

    grid = Grid.from_axes((6, 6, 6))
    with pytest.raises(ValueError, match="does not reach there"):
        show(Volume(torch.zeros(1, 6, 6, 6), grid), at=(0, 0, 40))


def test_show_cuts_where_it_is_told_and_with_the_window_it_is_told():
    from medlib.pictures import show

    grid = Grid.from_axes((4, 5, 6))
    scan = CTVolume(torch.arange(120.0).reshape(1, 4, 5, 6), grid)
    figure = show(scan, at=grid.to_patient([3, 1, 2]), window=(5, 50))
    axial, coronal, sagittal = (axes.images[0] for axes in figure.axes)
    assert np.array_equal(axial.get_array(), scan.data[0, 3])
    assert np.array_equal(coronal.get_array(), scan.data[0, :, 1].flip(0))
    assert np.array_equal(sagittal.get_array(), scan.data[0, :, :, 2].flip(0))
    assert axial.get_clim() == (5, 50)
    assert show(scan).axes[0].images[0].get_clim() == CT_WINDOWS["soft tissue"]


def test_windows_are_of_the_kind():
    grid = Grid.from_axes((2, 2, 2))
    values = torch.tensor([0.0, 1, 2, 3, 4, 5, 6, 7]).reshape(1, 2, 2, 2)
    assert default_window(CTVolume(values, grid)) == (-160, 240)
    low, high = default_window(CTVolume(values, grid, units="1"))  # normalised: no longer HU
    assert 0 <= low < high <= 7
    constant = default_window(MRVolume(torch.zeros(1, 2, 2, 2), grid))
    assert constant[0] < constant[1]


def test_one_looks_first_where_a_small_lesion_shows_too():
    grid = Grid.from_axes((20, 20, 20))
    data = torch.zeros(1, 20, 20, 20, dtype=torch.uint8)
    data[0, 2:18, 2:18, 2:18] = 1
    data[0, 14:16, 4:6, 9:11] = 2
    mask = Mask(data, grid, Labels.of(["organ", "lesion"]))
    i, j, k = np.rint(grid.to_index(focus(grid, mask))).astype(int)
    assert data[0, i, j, k] == 2
    assert focus(grid).tolist() == grid.to_patient([10, 10, 10]).tolist()


def test_upright_keeps_every_voxel_where_it_is():
    grid = Grid.from_axes((3, 4, 5)).reoriented("RAI")
    volume = Volume(torch.arange(60).reshape(1, *grid.shape), grid)
    turned = upright(volume)
    assert turned.grid.orientation == "SPL"
    assert turned.data.dtype == volume.data.dtype
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1).reshape(-1, 3)
    i, j, k = np.rint(turned.grid.to_index(grid.to_patient(index))).astype(int).T
    assert torch.equal(turned.data[0, i, j, k], volume.data.flatten())
