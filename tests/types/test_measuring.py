import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import itk_image, oracle
from scipy.spatial.distance import pdist
from strategies import affines, grids, rotations, voxels

from medlib.space import Affine, Grid
from medlib.types import (
    Boxes,
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
    Volume,
    measure,
)

LESION = Labels.of(["lesion"])
ORGANS = Labels.of(["liver", "spleen", "kidney"])
SUV = "{SUVbw}g/ml"


def told(*values):
    """Measurements by name."""
    found = measure(*values)
    assert all(isinstance(m, Measurement) for m in found)
    assert len({m.name for m in found}) == len(found)
    return {m.name: m.value for m in found}


def units(*values):
    return {m.name: m.unit for m in measure(*values)}


def ball(grid, centre, radius, label_id=1):
    inside = np.linalg.norm(voxels(grid) - centre, axis=-1) <= radius
    return torch.from_numpy(inside.astype(np.uint8) * label_id)[None]


@st.composite
def outlined(draw, **choice):
    """Masks with up to three labels, in one or two layers, of scattered voxels."""
    grid = draw(grids(sides=(1, 7), **choice))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shape = (draw(st.integers(1, 2)), *grid.shape)
    return Mask(torch.from_numpy(rng.choice([0, 0, 1, 2, 3], shape)), grid, ORGANS)


# --- sizes ------------------------------------------------------------------------------------


@given(outlined())
def test_sizes_are_what_all_pairs_of_surface_points_say(mask):
    """The points of a marching cubes' mesh at 0.5: midway between a voxel and one outside."""
    found = told(mask)
    for label in mask.labels:
        inside = mask.structure(label.name).numpy()
        if not inside.any():
            assert not any(name.startswith(label.name) for name in found)
            continue
        steps = np.concatenate([np.eye(3), -np.eye(3)]) / 2
        surface = mask.grid.to_patient((np.argwhere(inside)[:, None] + steps).reshape(-1, 3))
        assert found[f"{label.name} largest diameter"] == pytest.approx(pdist(surface).max())
        assert found[f"{label.name} volume"] == pytest.approx(mask.volume_ml(label.name))
        assert found[f"{label.name} long axis"] <= found[f"{label.name} largest diameter"] + 1e-9
    assert set(units(mask).values()) <= {"ml", "mm"}


@given(outlined(sheared=False))
@settings(max_examples=25)
def test_sizes_agree_with_itk_s(mask):
    """ITK's Feret diameter is between the centres of voxels, so less by up to a voxel."""
    sitk = oracle("SimpleITK")
    data = mask.data[:1]
    found = told(Mask(data, mask.grid, ORGANS))
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputeFeretDiameterOn()
    statistics.Execute(itk_image(data[0].to(torch.uint8), mask.grid))
    for label_id in statistics.GetLabels():
        name = ORGANS.by_id(label_id).name
        feret = statistics.GetFeretDiameter(label_id)
        size = statistics.GetPhysicalSize(label_id) / 1000
        assert found[f"{name} volume"] == pytest.approx(size, rel=1e-6)
        reach = np.linalg.norm(mask.grid.spacing)
        assert feret - 1e-6 <= found[f"{name} largest diameter"] <= feret + reach + 1e-6


@given(grids(sides=(3, 8), degrees=20, sheared=False), st.data())
def test_axes_lie_in_planes_nearest_to_axial(grid, draw):
    """A structure is as long as it is in the plane, however far it reaches head to foot."""
    rng = np.random.default_rng(draw.draw(st.integers(0, 99)))
    inside = rng.random(grid.shape) < 0.3
    inside[0, 0, 0] = True
    upright = next(k for k in range(3) if grid.orientation[k] in "SI")
    flat = [k for k in range(3) if k != upright]
    steps = np.concatenate([np.eye(3)[flat], -np.eye(3)[flat]]) / 2
    places = np.argwhere(inside)
    longest, short = 0.0, 0.0
    for plane in np.unique(places[:, upright]):
        own = places[places[:, upright] == plane]
        surface = grid.to_patient((own[:, None] + steps).reshape(-1, 3))
        apart = surface[:, None] - surface
        lengths = np.linalg.norm(apart, axis=-1)
        if lengths.max() > longest + 1e-9:
            longest = lengths.max()
            axis = apart[np.unravel_index(lengths.argmax(), lengths.shape)] / longest
            across = np.cross(grid.directions[:, upright], axis)
            short = np.ptp(surface @ across)
            ties = (lengths > longest - 1e-6).sum()
    found = told(Mask(torch.from_numpy(inside)[None].byte(), grid, LESION))
    assert found["lesion long axis"] == pytest.approx(longest)
    if ties == 2:  # one longest line, seen both ways
        assert found["lesion short axis"] <= longest + 1e-6
    if ties == 2 and np.unique(places[:, upright]).size == 1:
        assert found["lesion short axis"] == pytest.approx(short)


def test_the_axes_of_a_plain_block():
    """9 by 5 voxels of 1 mm, in every orientation of the array."""
    grid = Grid.from_axes((30, 12, 12), spacing=(2, 1, 1))
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[0, 2:28, 4:5, 1:10] = 1
    data[0, 9:10, 2:7, 5] = 1
    mask = Mask(data, grid, LESION)
    found = told(mask)
    assert found["lesion long axis"] == pytest.approx(9)
    assert found["lesion short axis"] in (pytest.approx(1), pytest.approx(5))
    for orientation in ("PLS", "LAI", "RSP"):
        turned = grid.reoriented(orientation)
        index = np.round(grid.to_index(voxels(turned))).astype(int)
        again = Mask(data[:, *np.moveaxis(index, -1, 0)], turned, LESION)
        assert told(again) == pytest.approx(found)


@given(rotations())
@settings(max_examples=15)
def test_a_ball_is_as_wide_as_it_is(turn):
    directions = turn.matrix[:3, :3]
    grid = Grid.from_axes((36, 36, 36), spacing=(1, 0.9, 0.9), directions=directions)
    found = told(Mask(ball(grid, grid.centre, 14.0), grid, LESION))
    assert found["lesion volume"] == pytest.approx(4 / 3 * np.pi * 14**3 / 1000, rel=0.02)
    for what in ("largest diameter", "long axis", "short axis"):
        assert found[f"lesion {what}"] == pytest.approx(28, abs=1.2)


def test_one_voxel_has_a_size():
    grid = Grid.from_axes((3, 3, 3), spacing=(4, 1, 2))
    data = torch.zeros(1, 3, 3, 3, dtype=torch.bool)
    data[0, 1, 1, 1] = True
    assert told(Mask(data, grid, LESION)) == pytest.approx(
        {"lesion volume": 0.008, "lesion largest diameter": 4, "lesion long axis": 2,
         "lesion short axis": 1}
    )  # fmt: skip


def test_structures_without_a_label_are_not_left_out_in_silence():
    mask = Mask(torch.full((1, 2, 2, 2), 9), Grid.from_axes((2, 2, 2)), ORGANS)
    scan = CTVolume(torch.zeros(1, 2, 2, 2), mask.grid)
    for values in ((mask,), (scan, mask)):
        with pytest.raises(ValueError, match="holds the ids 9"):
            measure(*values)


# --- intensities ------------------------------------------------------------------------------


@given(outlined(sheared=False))
@settings(max_examples=25)
def test_statistics_are_itk_s(mask):
    sitk = oracle("SimpleITK")
    one = Mask(mask.data[:1], mask.grid, ORGANS)
    hu = torch.randint(-1000, 3000, one.data.shape, dtype=torch.int16)
    scan = CTVolume(hu, mask.grid)
    found = told(scan, one)
    assert set(units(scan, one).values()) <= {"[hnsf'U]"}
    statistics = sitk.LabelStatisticsImageFilter()
    statistics.UseHistogramsOn()
    outlines = itk_image(one.data[0].to(torch.uint8), mask.grid)
    statistics.Execute(itk_image(hu[0], mask.grid), outlines)
    for label in ORGANS:
        if not statistics.HasLabel(label.id):
            assert f"{label.name} mean" not in found
            continue
        count = statistics.GetCount(label.id)
        own = {what: found[f"{label.name} {what}"] for what in ("mean", "minimum", "maximum")}
        assert own == pytest.approx({
            "mean": statistics.GetMean(label.id),
            "minimum": statistics.GetMinimum(label.id),
            "maximum": statistics.GetMaximum(label.id),
        })  # fmt: skip
        # Theirs is an estimate for a population of which the voxels are a sample.
        spread = statistics.GetSigma(label.id) * np.sqrt((count - 1) / count)
        assert found[f"{label.name} standard deviation"] == pytest.approx(spread, abs=1e-6)
        values = hu[0].numpy()[one.structure(label.name).numpy()]
        assert found[f"{label.name} median"] == np.median(values)
        assert found[f"{label.name} 5th percentile"] == pytest.approx(np.percentile(values, 5))
        assert found[f"{label.name} 95th percentile"] == pytest.approx(np.percentile(values, 95))


def test_structures_that_overlap_are_each_measured_whole():
    grid = Grid.from_axes((1, 2, 4))
    data = torch.zeros(2, 1, 2, 4, dtype=torch.uint8)
    data[0] = 1
    data[1, 0, 0] = 2
    found = told(CTVolume(torch.arange(8.0).reshape(1, 1, 2, 4), grid), Mask(data, grid, ORGANS))
    assert found["liver mean"] == 3.5
    assert found["spleen mean"] == 1.5


GRID = Grid.from_axes((2, 3, 4))
WHOLE = Mask(torch.ones(1, 2, 3, 4, dtype=torch.uint8), GRID, LESION)
NUMBERS = torch.arange(24.0).reshape(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        (CTVolume(NUMBERS, GRID, units="1"), "CTVolume is in '1', not in HU"),
        (PETVolume(NUMBERS, GRID, units="1"), "PETVolume is in '1', not in SUVbw"),
        (PETVolume(NUMBERS, GRID, units="Bq/ml"), "'Bq/ml', not in SUVbw"),
        (CTVolume(NUMBERS, Grid.from_axes((2, 3, 4), origin=(0, 0, 1))), "corners up to 1 mm apart"),
        (PETVolume(NUMBERS[:, :1], Grid.from_axes((1, 3, 4))), "different grids"),
        (MRVolume(NUMBERS.repeat(2, 1, 1, 1), GRID), "one channel at a time, not 2"),
        (CTVolume(NUMBERS.where(NUMBERS > 1, torch.nan), GRID), "2 voxels of the scan in lesion"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(scan, words):
    with pytest.raises(ValueError, match=words):
        measure(scan, WHOLE)


def test_other_scans_are_measured_in_their_own_units():
    assert set(units(MRVolume(NUMBERS, GRID), WHOLE).values()) == {"1"}
    assert set(units(Volume(NUMBERS, GRID, units="ms"), WHOLE).values()) == {"ms"}
    assert told(MRVolume(NUMBERS, GRID), WHOLE)["lesion mean"] == 11.5


def test_several_volumes_are_measured_one_by_one():
    both = MultiVolume((MRVolume(NUMBERS, GRID), CTVolume(NUMBERS * 2, GRID)), ("T1", "CT"))
    assert told(both, WHOLE)["T1 lesion mean"] == 11.5
    assert told(both, WHOLE)["CT lesion mean"] == 23
    assert units(both, WHOLE)["CT lesion mean"] == "[hnsf'U]"


# --- uptake -----------------------------------------------------------------------------------


def mean_in_sphere(data, grid, centre):
    """By brute force, each voxel cut into 11³ parts."""
    radius = (3000 / (4 * np.pi)) ** (1 / 3)
    parts = (np.arange(11) - 5) / 11
    offsets = np.stack(np.meshgrid(parts, parts, parts, indexing="ij"), -1).reshape(-1, 3)
    index = np.argwhere(np.ones(grid.shape, dtype=bool))
    near = np.linalg.norm(grid.to_patient(index) - centre, axis=1) < radius + 8
    places = grid.to_patient(index[near][:, None] + offsets)
    share = (np.linalg.norm(places - centre, axis=-1) <= radius).mean(1)
    return (share * data[tuple(index[near].T)]).sum() / share.sum()


@given(grids(sides=(2, 7), spacing=(1.5, 4.5)), st.integers(0, 99))
@settings(max_examples=12)
def test_the_peak_is_the_brightest_millilitre_around_any_voxel_of_the_lesion(grid, seed):
    rng = np.random.default_rng(seed)
    data = rng.random(grid.shape) * 9
    inside = rng.random(grid.shape) < 0.1
    inside.flat[rng.integers(inside.size)] = True
    mask = Mask(torch.from_numpy(inside)[None], grid, LESION)
    found = told(PETVolume(torch.from_numpy(data)[None], grid), mask)
    centres = grid.to_patient(np.argwhere(inside))
    expected = max(mean_in_sphere(data, grid, centre) for centre in centres)
    assert found["lesion SUVpeak"] == pytest.approx(expected, rel=0.02)


def test_uptake_of_a_lesion():
    grid = Grid.from_axes((20, 20, 20), spacing=(2, 2, 2))
    lesion = ball(grid, grid.centre, 12)
    suv = 1 + 4 * lesion.float()
    suv[0, 10, 10, 10] = 9.0
    mask = Mask(lesion, grid, LESION)
    pet = PETVolume(suv, grid)
    found = told(pet, mask)
    assert list(found) == [f"lesion {x}" for x in ("SUVmax", "SUVmean", "SUVpeak", "MTV", "TLG")]
    count = int(lesion.sum())
    assert found["lesion SUVmax"] == 9
    assert found["lesion SUVmean"] == pytest.approx(5 + 4 / count)
    assert found["lesion MTV"] == pytest.approx(count * 0.008)
    assert found["lesion TLG"] == pytest.approx((5 * count + 4) * 0.008)
    assert found["lesion SUVpeak"] == pytest.approx(5 + 4 * 0.008, abs=1e-3)  # 8 µl in a ml
    assert list(units(pet, mask).values()) == [SUV, SUV, SUV, "ml", "g"]


def test_the_peak_of_a_uniform_scan_is_its_value_up_to_the_edge():
    """Where the sphere leaves the scan, nothing is not taken for zero uptake."""
    scan = PETVolume(torch.full((1, 2, 3, 4), 2.5), GRID)
    assert told(scan, WHOLE)["lesion SUVpeak"] == pytest.approx(2.5)


def test_the_peak_sees_beyond_the_lesion_but_not_what_is_no_number():
    grid = Grid.from_axes((9, 9, 9), spacing=(2, 2, 2))
    data = torch.full((1, 9, 9, 9), 3.0)
    lesion = torch.zeros(1, 9, 9, 9, dtype=torch.uint8)
    lesion[0, 4, 4, 4] = 1
    data[0, 4, 4, 4] = 5.0
    data[0, 0] = torch.nan
    found = told(PETVolume(data, grid), Mask(lesion, grid, LESION))
    assert found["lesion SUVpeak"] == pytest.approx(3 + 2 * 0.008, abs=1e-3)


# --- points, boxes, contours ------------------------------------------------------------------


def test_points_are_measured_between():
    corner = Points([[3, 0, 0], [0, 0, 0], [0, 4, 0]], ("a", "b", "c"))
    assert told(corner) == pytest.approx(
        {"path length": 7, "a to b": 3, "a to c": 5, "b to c": 4, "angle at b": 90}
    )
    assert units(corner)["angle at b"] == "deg"
    assert told(Points([[0, 0, 0], [0, 0, 2]])) == {"point 1 to point 2": 2}
    assert measure(Points([[0, 0, 0]])) == measure(Points([])) == ()
    assert list(told(Points(np.eye(11, 3)))) == ["path length"]
    assert len(told(Points(np.eye(10, 3)))) == 46


@given(rotations(), st.floats(0, 180))
def test_angles(turn, degrees):
    other = 3 * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0])
    points = Points(turn(np.add([[5, 0, 0], [0, 0, 0], other], [7, 8, 9])))
    assert told(points)["angle at point 2"] == pytest.approx(degrees, abs=1e-6)


def test_an_angle_between_points_that_coincide_is_left_out():
    assert "angle at point 2" not in told(Points([[0, 0, 0], [0, 0, 0], [1, 0, 0]]))


@given(affines())
def test_boxes_are_measured_along_their_own_sides(a):
    """However they were mapped: a turned box is as large as it was."""
    boxes = Boxes.between([[0, 0, 0], [0, 0, 0]], [[1, 1, 1], [10, 20, 30]])
    mapped = Boxes(a(boxes.corners), (2, 1), labels=ORGANS)
    found = told(mapped)
    volume = 6 * abs(np.linalg.det(a.matrix[:3, :3]))
    assert found["box 2 (liver) volume"] == pytest.approx(volume)
    sides = [found[f"box 2 (liver) side {k}"] for k in (1, 2, 3)]
    assert sides == pytest.approx(np.linalg.norm(a.matrix[:3, :3], axis=0) * [10, 20, 30])
    assert "box 1 (spleen) volume" in found
    assert told(boxes)["box 2 side 3"] == pytest.approx(30)


def ring(radius, height, points=720, centre=(0.0, 0.0)):
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x, y = radius * np.cos(turn) + centre[0], radius * np.sin(turn) + centre[1]
    return np.column_stack([x, y, np.full(points, height)])


def contours(outlines, ids=None):
    ids = ids or (1,) * len(outlines)
    return Contours(np.concatenate(outlines), tuple(map(len, outlines)), ids, ORGANS)


@given(rotations())
@settings(max_examples=20)
def test_a_stack_of_contours_has_its_volume_however_it_lies(turn):
    away = Affine.translation([100, -200, 50]) @ turn
    heights = np.arange(-18, 19.0, 3)
    rings = [away(ring(np.sqrt(400 - z * z), z)) for z in heights]
    found = told(contours(rings[::-1]))
    assert found["liver largest area"] == pytest.approx(np.pi * 400, rel=1e-3)
    assert found["liver volume"] == pytest.approx(4 / 3 * np.pi * 8, rel=0.01)


def test_what_lies_within_is_a_hole_and_within_that_an_island():
    nested = [ring(20, 5), ring(10, 5), ring(5, 5), ring(3, 5, centre=(40, 0))]
    assert told(contours(nested)) == pytest.approx(
        {"liver largest area": np.pi * (400 - 100 + 25 + 9)}, rel=1e-3
    )


def test_a_gap_between_planes_is_no_structure():
    heights = (0, 3, 6, 15, 18)
    found = told(contours([ring(10, z) for z in heights]))
    assert found["liver volume"] == pytest.approx(np.pi * 100 * 15 / 1000, rel=1e-3)


@pytest.mark.parametrize("heights", [(0,), (0, 3, 7)])
def test_planes_that_say_no_thickness_have_no_volume(heights):
    assert list(told(contours([ring(10, z) for z in heights]))) == ["liver largest area"]


def test_contours_are_measured_label_by_label():
    found = told(contours([ring(10, 0), ring(20, 0), ring(10, 2)], (1, 3, 1)))
    assert found == pytest.approx({
        "liver largest area": np.pi * 100,
        "liver volume": np.pi * 100 * 4 / 1000,
        "kidney largest area": np.pi * 400,
    }, rel=1e-3)  # fmt: skip


def test_contours_that_are_not_of_parallel_planes_have_no_area():
    upright = ring(10, 0) @ Affine.rotation([90, 0, 0]).matrix[:3, :3].T
    assert told(contours([ring(10, 0), upright])) == {}
    line = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0.0]])
    assert told(contours([line])) == {}


def test_the_rest():
    one = Measurement(3, "mm", "x")
    assert measure(one) == (one,)
    with pytest.raises(TypeError, match="measure has nothing registered for"):
        measure(PointCloud([[0, 0, 0]]))
    with pytest.raises(TypeError, match="nothing registered"):
        measure(WHOLE, CTVolume(NUMBERS, GRID))
