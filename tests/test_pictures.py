"""Pictures: what is drawn lies where it is in the patient, and left is not right."""

import base64
import io as bytes_io
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from strategies import grids, voxels
from tiny import SIDES, scan_of, structures

from medlib import show
from medlib.pictures import write_page
from medlib.space import Grid
from medlib.types import CTVolume, Labels, Mask

PLANES = ("axial", "coronal", "sagittal")


def pixels(figure):
    """The picture as (row, column, colour), and each panel's box in pixels (left, right, top, bottom)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    height = image.shape[0]
    boxes = {}
    for axes, plane in zip(figure.axes, PLANES, strict=False):
        box = axes.get_window_extent()
        boxes[plane] = (box.x0, box.x1, height - box.y1, height - box.y0)
    return image, boxes


def where(image, box, colour):
    """Middle of the pixels nearest this colour within a panel: shares of its width and height."""
    left, right, top, bottom = (round(v) for v in box)
    panel = image[top:bottom, left:right]
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    near = np.abs(panel - wanted).sum(-1) < 60
    assert near.any()
    rows, columns = near.nonzero()
    return columns.mean() / panel.shape[1], rows.mean() / panel.shape[0]


def cube(grid, away):
    """A cube whose middle lies ``away`` mm (left, back, head) from the grid's."""

    offset = np.abs(voxels(grid) - grid.centre - np.array(away)).max(-1)
    mask = torch.from_numpy((offset < 5).astype(np.uint8))[None]
    return Mask(mask, grid, Labels.of(["lesion"]))


@settings(max_examples=8)
@given(grids(sides=(26, 34), spacing=(0.9, 1.5), degrees=10, sheared=False))
def test_structures_are_drawn_on_their_side_of_the_patient(grid):
    mask = cube(grid, (7, 6, 7))  # left, back, head
    figure = show(scan_of_zeros(mask), mask)
    image, boxes = pixels(figure)
    colour = mask.labels["lesion"].colour
    across, down = where(image, boxes["axial"], colour)
    assert across > 0.55  # patient's left on the viewer's right
    assert down > 0.52  # the back below
    across, down = where(image, boxes["coronal"], colour)
    assert across > 0.55
    assert down < 0.48  # the head above
    across, down = where(image, boxes["sagittal"], colour)
    assert across > 0.52  # the back on the viewer's right
    assert down < 0.48


def scan_of_zeros(mask):
    return CTVolume(torch.zeros(mask.data.shape) - 160.0, mask.grid)


def test_letters_say_which_side_is_which():
    mask = structures(Grid.from_axes((20, 24, 24)))
    figure = show(scan_of(mask), mask)
    for axes, letters in zip(figure.axes, ("RLAP", "RLSI", "APSI"), strict=True):
        at = {text.get_text(): text.get_position() for text in axes.texts}
        left, right, top, bottom = letters
        assert at[left][0] < 0.1
        assert at[right][0] > 0.9
        assert at[top][1] > 0.9
        assert at[bottom][1] < 0.1


def test_two_kidneys_are_drawn_left_and_right():
    mask = structures(Grid.from_axes((24, 26, 28), directions=-np.eye(3)[:, ::-1]))
    image, boxes = pixels(show(scan_of(mask), mask))
    for plane in ("axial", "coronal"):
        left = where(image, boxes[plane], SIDES["left kidney"].colour)[0]
        right = where(image, boxes[plane], SIDES["right kidney"].colour)[0]
        assert right < 0.5 < left


@pytest.mark.parametrize("spacing", [(5.0, 1.0, 1.0), (1.0, 1.0, 2.5)])
def test_thick_slices_are_drawn_thick(spacing):
    grid = Grid.from_axes([round(60 / s) for s in spacing], spacing=spacing)
    _, boxes = pixels(show(CTVolume(torch.zeros(1, *grid.shape), grid)))
    for left, right, top, bottom in boxes.values():
        assert (right - left) / (bottom - top) == pytest.approx(1.0, abs=0.05)


def test_a_mask_that_lies_elsewhere_is_not_drawn():
    mask = structures(Grid.from_axes((20, 24, 24)))
    scan = scan_of(mask)
    shifted = Mask(mask.data, mask.grid.window((2, 0, 0), mask.grid.shape), SIDES)
    with pytest.raises(ValueError, match=r"not on the scan's grid: .* 2 mm apart"):
        show(scan, shifted)


def test_truth_and_prediction_are_drawn_under_each_other():
    mask = structures(Grid.from_axes((20, 24, 24)))
    empty = Mask(torch.zeros_like(mask.data), mask.grid, SIDES)
    assert len(show(scan_of(mask), mask, empty).axes) == 6
    assert len(show(scan_of(mask), empty).axes) == 3


def test_a_page_needs_no_other_file_and_runs_nothing(tmp_path):
    mask = structures(Grid.from_axes((20, 24, 24)))
    evil = "<script>alert('x')</script>\" onload=\"x"
    page = write_page(tmp_path / "page.html", evil, [(evil, evil, show(scan_of(mask), mask))])
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert 'onload="' not in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    from PIL import Image

    (picture,) = re.findall(r"base64,([A-Za-z0-9+/=]+)", text)
    assert Image.open(bytes_io.BytesIO(base64.b64decode(picture))).size[0] > 500
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
