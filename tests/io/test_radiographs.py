"""Radiographs: no side turned round, no millimetre claimed that is none, no curve forgotten."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from medlib import io
from medlib.io import UnreadableError
from medlib.io.dicom.radiographs import looked_up
from medlib.io.projection import flat_grid
from medlib.space import Grid
from medlib.types import Labels, Radiograph

PIXELS = np.random.default_rng(0).integers(0, 4096, (6, 9)).astype(np.uint16)


def radiograph(folder: Path, pixels=PIXELS, name="a.dcm", leave_out=(), **attributes) -> Path:
    """A digital radiograph in a file of its own."""
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    d.StudyInstanceUID, d.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    d.Modality, d.PatientName, d.PatientID = "DX", "Secret^Name", "SECRETID"
    d.PatientOrientation, d.ImagerPixelSpacing = ["L", "F"], [0.2, 0.1]
    d.PresentationIntentType, d.ViewPosition = "FOR PRESENTATION", "PA"
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.Rows, d.Columns = pixels.shape
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, 12, 11
    d.PixelRepresentation = int(pixels.dtype.kind == "i")
    d.RescaleSlope, d.RescaleIntercept, d.RescaleType = 1, 0, "US"
    d.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(d, keyword, value)
    for keyword in leave_out:
        delattr(d, keyword)
    folder.mkdir(parents=True, exist_ok=True)
    d.save_as(folder / name, enforce_file_format=True)
    return folder / name


def table(entries, first, bits):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return item


def the_stack(path: Path):
    found = io.survey(path)
    assert not found.refusals
    (stack,) = found.stacks
    return stack


# --- sides ----------------------------------------------------------------------------------------


def test_left_is_where_the_file_says_it_is(tmp_path):
    image = io.read_volume(radiograph(tmp_path))
    assert type(image) is Radiograph
    assert image.grid.shape == (1, 6, 9)
    first, right, below = (image.grid.to_patient(i) for i in ((0, 0, 0), (0, 0, 1), (0, 1, 0)))
    assert right - first == pytest.approx([0.1, 0, 0])  # LPS: to the patient's left
    assert below - first == pytest.approx([0, 0, -0.2])  # to the feet
    turned = io.read_volume(radiograph(tmp_path / "b", PatientOrientation=["R", "F"]))
    assert turned.grid.to_patient((0, 0, 1))[0] < turned.grid.to_patient((0, 0, 0))[0]
    lateral = io.read_volume(radiograph(tmp_path / "c", PatientOrientation=["A", "F"]))
    assert lateral.grid.orientation[2] == "A"


@pytest.mark.parametrize("said", [None, ["L", "R"], ["X", "F"], ["L", "L"], ["L"]])
def test_sides_that_are_not_known_are_said_to_be(tmp_path, said):
    left_out = ("PatientOrientation",) if said is None else ()
    more = {} if said is None else {"PatientOrientation": said}
    path = radiograph(tmp_path, leave_out=left_out, **more)
    assert any("nobody has checked" in text for text in the_stack(path).warnings)
    with pytest.raises(UnreadableError, match="sides="):
        io.read_radiograph(path)
    assert io.read_radiograph(path, sides=("R", "F")).grid.orientation[2] == "R"


def test_oblique_views_are_named(tmp_path):
    stack = the_stack(radiograph(tmp_path, PatientOrientation=["PL", "F"]))
    assert any("oblique" in text for text in stack.warnings)
    assert stack.grid.orientation[2] == "P"


SIDES = st.sampled_from("APRLHF")


@given(SIDES, SIDES, st.floats(0.01, 5), st.floats(0.01, 5))
def test_a_flat_grid_is_right_handed_and_leads_where_it_says(across, down, row_mm, column_mm):
    pairs = ({"A", "P"}, {"R", "L"}, {"H", "F"})
    if any({across, down} <= pair for pair in pairs):
        with pytest.raises(ValueError, match="cannot both run"):
            flat_grid((4, 5), (row_mm, column_mm), (across, down))
        return
    grid = flat_grid((4, 5), (row_mm, column_mm), (across, down))
    names = {"H": "S", "F": "I"}
    assert grid.orientation[1:] == names.get(down, down) + names.get(across, across)
    assert grid.spacing == pytest.approx((1, row_mm, column_mm))
    along_row, down_column = grid.directions[:, 2], grid.directions[:, 1]
    assert np.cross(along_row, down_column) == pytest.approx(grid.directions[:, 0])


# --- millimetres ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "without", "calibration", "spacing", "warned"),
    [
        ({}, (), "detector", (0.2, 0.1), "of the detector"),
        (
            {"EstimatedRadiographicMagnificationFactor": 1.15},
            *((), "detector", (0.2, 0.1), "1.15 times"),
        ),
        ({"PixelSpacing": [0.2, 0.1]}, (), "detector", (0.2, 0.1), "of the detector"),
        ({"PixelSpacing": [0.17, 0.09]}, (), "unknown", (0.17, 0.09), "differs"),
        (
            {"PixelSpacing": [0.17, 0.09], "PixelSpacingCalibrationType": "FIDUCIAL"},
            *((), "fiducial", (0.17, 0.09), "one depth"),
        ),
        (
            {"PixelSpacing": [0.2, 0.1]},
            *(("ImagerPixelSpacing",), "unknown", (0.2, 0.1), "does not say how"),
        ),
        ({}, ("ImagerPixelSpacing",), "none", (1, 1), "not stated"),
        ({"PixelAspectRatio": [2, 1]}, ("ImagerPixelSpacing",), "none", (2, 1), "not stated"),
    ],
)
def test_nobody_is_led_to_trust_millimetres(tmp_path, more, without, calibration, spacing, warned):
    stack = the_stack(radiograph(tmp_path, leave_out=without, **more))
    assert stack.calibration == stack.to_dict()["calibration"] == calibration
    assert stack.grid.spacing[1:] == pytest.approx(spacing)
    assert any(text.startswith("pixel size: ") and warned in text for text in stack.warnings)
    known = io.stated(stack, spacing_mm=0.5)
    assert known.calibration == "stated"
    assert known.grid.spacing == (1, 0.5, 0.5)
    assert known.grid.orientation == stack.grid.orientation
    assert not any(text.startswith("pixel size: ") for text in known.warnings)


def test_what_is_known_by_nobody_cannot_be_stated_of_a_scan(tmp_path, series):
    stack = the_stack(series().save(tmp_path))
    with pytest.raises(UnreadableError, match="no radiograph"):
        io.stated(stack, spacing_mm=1.0)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"RescaleSlope": 2.5, "RescaleIntercept": -7},
        {"WindowCenter": 2000, "WindowWidth": 300},
        {"VOILUTSequence": [table(np.arange(4096) // 16, 0, 16)]},
        {"VOILUTSequence": [table(range(100, 4000, 3), 700, 12)]},
        {"VOILUTFunction": "SIGMOID", "WindowCenter": 2000, "WindowWidth": 900},
    ],
    ids=["plain", "rescaled", "window", "curve", "short curve", "sigmoid"],
)
def test_values_are_those_that_pydicom_shows(tmp_path, more):
    path = radiograph(tmp_path, **more)
    shown = apply_modality_lut(PIXELS, dcmread(path))
    if {"VOILUTSequence", "VOILUTFunction"} & set(more):  # a straight window is a viewer's choice
        shown = apply_voi_lut(shown.astype(np.int32), dcmread(path))
    found, notes = the_stack(path).read_with_notes()
    assert found.data[0, 0].numpy() == pytest.approx(shown, rel=1e-6)
    assert bool(notes) == ("VOILUTSequence" in more or "VOILUTFunction" in more)


def test_a_modality_lut_is_gone_through(tmp_path):
    """pydicom asks numpy for a type of 12 bits there, so the table itself is the oracle."""
    entries = (np.arange(4096)[::-1] * 0.5).astype(int)
    path = radiograph(
        *(tmp_path,),
        leave_out=("RescaleSlope", "RescaleIntercept", "RescaleType"),
        ModalityLUTSequence=[table(entries, 0, 12)],
    )
    assert (the_stack(path).read().data[0, 0].numpy() == entries[PIXELS]).all()


def test_where_low_is_white_values_are_turned_over(tmp_path):
    plain = the_stack(radiograph(tmp_path / "a")).read()
    stack = the_stack(radiograph(tmp_path / "b", PhotometricInterpretation="MONOCHROME1"))
    assert (stack.read().data == 4095 - plain.data).all()
    assert any("MONOCHROME1" in text for text in stack.repairs)


def test_padding_is_dark_whichever_way_round_grey_is(tmp_path):
    pixels = PIXELS.copy()
    pixels[0] = 4095
    for number, grey in enumerate(("MONOCHROME1", "MONOCHROME2")):
        path = radiograph(
            tmp_path / str(number), pixels, PhotometricInterpretation=grey, PixelPaddingValue=4095
        )
        assert (the_stack(path).read().data[0, 0, 0] == 0).all()


@given(
    arrays(np.int64, (5, 4), elements=st.integers(-70_000, 70_000)),
    st.integers(-300, 300),
    st.lists(st.integers(0, 65535), min_size=1, max_size=40),
)
def test_a_lookup_table_holds_its_ends(values, first, entries):
    found = looked_up(values, table(entries, first, 16))
    for value, shown in zip(values.flat, found.flat, strict=True):
        assert shown == entries[min(max(value - first, 0), len(entries) - 1)]


def test_simpleitk_reads_the_same_pixels(tmp_path):
    path = radiograph(tmp_path, PixelSpacing=[0.2, 0.1])
    theirs = SimpleITK.ReadImage(str(path))
    ours = io.read_volume(path)
    assert (SimpleITK.GetArrayFromImage(theirs)[0] == ours.data[0, 0].numpy()).all()
    assert theirs.GetSpacing()[:2] == pytest.approx(ours.grid.spacing[:0:-1])


# --- what there is --------------------------------------------------------------------------------


def test_each_radiograph_of_a_series_is_one(tmp_path):
    """A front and a side view share a series, and are no two slices of a volume."""
    first = radiograph(tmp_path, name="1.dcm", InstanceNumber=1)
    radiograph(tmp_path, name="2.dcm", InstanceNumber=2, PatientOrientation=["A", "F"])
    (tmp_path / "copy.dcm").write_bytes(first.read_bytes())
    found = io.survey(tmp_path)
    assert [stack.grid.orientation[2] for stack in found.stacks] == ["L", "A"]
    assert len({stack.name for stack in found.stacks}) == 2
    assert len({stack.patient for stack in found.stacks}) == 1
    (refusal,) = found.refusals
    assert refusal.aside
    assert "copy" in refusal.reason
    said = io.describe(found)
    assert "2 radiograph" in said
    assert "secret" not in said.lower()


def test_doubts_about_a_radiograph_are_said(tmp_path):
    path = radiograph(tmp_path, PresentationIntentType="FOR PROCESSING", BurnedInAnnotation="YES")
    said = " ".join(the_stack(path).warnings)
    assert "for processing" in said
    assert "burned" in said


# --- pictures -------------------------------------------------------------------------------------


def picture(path: Path, values: np.ndarray, **more) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **more)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_keeps_every_value_and_claims_no_millimetres(tmp_path, dtype):
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (6, 9)).astype(dtype)
    path = picture(tmp_path / "chest.png", values, dpi=(300, 300))
    stack = the_stack(path)
    assert stack.calibration == "none"
    assert len([text for text in stack.warnings if "not stated" in text]) == 2
    assert "6×9 pixels\n" in io.describe(io.survey(path))
    image = stack.read()
    assert type(image) is Radiograph
    assert (image.data[0, 0].numpy() == values).all()
    with pytest.raises(UnreadableError, match="spacing_mm="):
        io.read_radiograph(path, sides=("L", "F"))
    known = io.read_radiograph(path, spacing_mm=(0.3, 0.2), sides=("L", "F"))
    assert known.grid.spacing == (1, 0.3, 0.2)


def test_a_jpeg_is_turned_as_it_is_looked_at(tmp_path):
    """Cameras and scanners write the orientation beside the pixels; mirrored ones exist."""
    values = np.zeros((16, 24), np.uint8)
    values[:, 16:] = 200
    exif = Image.Exif()
    exif[0x0112] = 2  # mirrored from left to right
    stack = the_stack(picture(tmp_path / "a.jpg", values, exif=exif, quality=95))
    seen = stack.read().data[0, 0].numpy()
    assert seen[:, :8].mean() > 190 > 10 > seen[:, 8:].mean()
    assert "EXIF" in stack.repairs[0]
    exif[0x0112] = 6  # lying on its side
    assert the_stack(picture(tmp_path / "b.jpg", values, exif=exif)).grid.shape == (1, 24, 16)


def test_grey_in_colours_is_grey_and_colours_are_none(tmp_path):
    grey = np.repeat(PIXELS[..., None] // 16, 3, axis=2).astype(np.uint8)
    assert (
        the_stack(picture(tmp_path / "a.png", grey)).read().data[0, 0].numpy() == grey[..., 0]
    ).all()
    grey[2, 3] = (255, 0, 0)
    with pytest.raises(UnreadableError, match="colours"):
        the_stack(picture(tmp_path / "b.png", grey)).read()


def test_pictures_beside_scans_are_previews(tmp_path, series):
    series().save(tmp_path / "ct")
    picture(tmp_path / "ct" / "preview.png", PIXELS)
    found = io.survey(tmp_path)
    assert len(found.stacks) == 1
    assert found.ignored[0].reason == "a picture beside scans"


def test_a_damaged_picture_is_refused_by_name(tmp_path):
    path = picture(tmp_path / "a.png", PIXELS)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UnreadableError, match=r"a\.png"):
        io.read_volume(path)


def test_labels_in_a_png_lie_on_their_radiograph(tmp_path):
    image = io.read_volume(radiograph(tmp_path))
    ids = (PIXELS > 2000).astype(np.uint8) * 255
    path = picture(tmp_path / "labels" / "a.png", ids)
    mask = io.read_mask(path, labels=Labels.of({255: "lung"}), on=image.grid)
    assert mask.grid == image.grid
    assert (mask.structure("lung")[0].numpy() == (PIXELS > 2000)).all()
    with pytest.raises(UnreadableError, match="pixels"):
        io.read_mask(path, on=Grid.from_axes((1, 9, 6)))
    with pytest.raises(UnreadableError, match="JPEG"):
        io.read_mask(picture(tmp_path / "labels" / "b.jpg", ids), on=image.grid)
