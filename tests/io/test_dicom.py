"""DICOM series in: the right volume, or a refusal that says why; never a wrong volume."""

import random
import shutil

import numpy as np
import pytest
import SimpleITK
import torch
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from medlib.io import UnreadableError, read_volume, survey
from medlib.types import CTVolume, MRVolume, Volume


def hu(made):
    return made.stored.astype(np.int32) - 1024


def same(volume, values, grid):
    assert np.array_equal(volume.data[0].numpy(), values)
    assert volume.grid.close_to(grid, tolerance_mm=1e-6), volume.grid.difference(grid)


def refused(path, *words):
    """Nothing is read, and the reason holds these words."""
    found = survey(path)
    assert found.stacks == ()
    reasons = " ".join(r.reason for r in found.refusals)
    for word in words:
        assert word in reasons
    with pytest.raises(UnreadableError):
        read_volume(path)
    return found


# --- plain series -------------------------------------------------------------------------

OBLIQUE = (0.9848078, 0.1736482, 0.0, -0.1631759, 0.9254166, 0.3420201)


@pytest.mark.parametrize(
    "orientation",
    [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0), (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1), OBLIQUE],
    ids=["axial", "prone", "sagittal", "coronal", "oblique"],
)
def test_a_series_is_read_where_simpleitk_reads_it(tmp_path, series, orientation):
    made = series(orientation=orientation)
    made.save(tmp_path)
    volume = read_volume(tmp_path)
    assert type(volume) is CTVolume
    assert volume.data.dtype == torch.int16
    same(volume, hu(made), made.grid)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), volume.data[0])
    for index in [(0, 0, 0), (9, 7, 5), (3, 1, 4)]:
        point = image.TransformIndexToPhysicalPoint(index)
        assert np.allclose(volume.grid.to_patient(index[::-1]), point, atol=1e-5)


def test_slices_are_ordered_by_place_whatever_their_numbers_and_names(tmp_path, series):
    made = series()
    numbers, names = list(range(100, 106)), [f"IMG{i}" for i in range(6)]
    random.Random(1).shuffle(numbers)
    random.Random(2).shuffle(names)
    for dataset, number in zip(made.datasets, numbers, strict=True):
        dataset.InstanceNumber = number
    same(read_volume(made.save(tmp_path, names)), hu(made), made.grid)


def test_slices_that_run_downwards_give_the_same_volume(tmp_path, series):
    made = series()
    made.datasets.reverse()
    for i, dataset in enumerate(made.datasets, start=1):
        dataset.InstanceNumber = i
    same(read_volume(made.save(tmp_path)), hu(made), made.grid)


def test_positions_rounded_to_hundredths_are_one_even_series(tmp_path, series):
    made = series(n=30, step_mm=0.6667, origin=(0, 0, 0))
    for dataset in made.datasets:
        dataset.ImagePositionPatient = [round(float(v), 2) for v in dataset.ImagePositionPatient]
    volume = read_volume(made.save(tmp_path))
    assert volume.grid.spacing[0] == pytest.approx(0.6667, abs=1e-3)


def test_kinds_follow_modality_and_cannot_be_contradicted(tmp_path, series):
    made = series(modality="MR", slope=None)
    made.save(tmp_path)
    assert type(read_volume(tmp_path)) is MRVolume
    assert type(read_volume(tmp_path, Volume)) is Volume
    with pytest.raises(UnreadableError, match="MR and cannot be read as CTVolume"):
        read_volume(tmp_path, CTVolume)


def test_two_series_in_a_folder_are_two_stacks_named_by_series(tmp_path, series):
    first, second = series(), series(seed=1, modality="MR", SeriesNumber=7)
    folder = first.save(tmp_path / "exam")
    second.save(folder, [f"b{i}" for i in range(6)])
    found = survey(tmp_path)
    assert sorted(s.name for s in found.stacks) == ["exam_series-3", "exam_series-7"]
    for stack in found.stacks:
        made = first if stack.kind is CTVolume else second
        same(stack.read(), hu(made), made.grid)
    with pytest.raises(UnreadableError, match=r"2 volumes .*exam_series-3, exam_series-7"):
        read_volume(tmp_path)


def test_stray_files_are_ignored_and_a_dicomdir_leads_to_its_folder(tmp_path, series):
    made = series()
    made.save(tmp_path)
    (tmp_path / "README").write_text("hello")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 50)
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 10)
    found = survey(tmp_path / "DICOMDIR")
    assert found.refusals == ()
    assert len(found.ignored) == 4
    same(read_volume(tmp_path), hu(made), made.grid)
    assert survey(tmp_path / "README").refusals


# --- series that lack something ---------------------------------------------------------------


@pytest.mark.parametrize("missing", [[1], [2], [4], [2, 3]])
def test_missing_slices_are_refused_and_named(tmp_path, series, missing):
    made = series()
    made.save(tmp_path)
    for k in missing:
        (tmp_path / f"{k:03d}.dcm").unlink()
    found = refused(tmp_path, f"{len(missing)} slice(s) are missing", f"{missing[0] - 1:03d}.dcm")
    assert len(found.refusals[0].files) == 6 - len(missing)


def test_a_missing_end_is_warned_of_where_the_header_tells(tmp_path, series):
    made = series(ImagesInAcquisition=6)
    made.save(tmp_path)
    (tmp_path / "005.dcm").unlink()
    (stack,) = survey(tmp_path).stacks
    assert "speaks of 6 images, 5 are here" in stack.warnings[0]


def test_uneven_spacing_is_refused(tmp_path, series):
    made = series()
    for k in (3, 4, 5):
        made.datasets[k].ImagePositionPatient[2] += 1.0
    refused(made.save(tmp_path), "unevenly spaced, from 2.5 to 3.5 mm", "002.dcm and 003.dcm")


def test_slices_shifted_in_their_planes_are_refused(tmp_path, series):
    made = series()
    made.datasets[3].ImagePositionPatient[0] += 3.0
    refused(made.save(tmp_path), "shifted against each other")


def test_a_truncated_slice_refuses_its_series_by_name(tmp_path, series):
    made = series()
    made.save(tmp_path)
    file = tmp_path / "002.dcm"
    file.write_bytes(file.read_bytes()[:-40])
    refused(tmp_path, "002.dcm is cut short", "would lack a slice")


@pytest.mark.parametrize("length", [0, 60, 140, 400])
def test_a_slice_without_its_header_refuses_the_only_series_beside_it(tmp_path, series, length):
    made = series()
    made.save(tmp_path)
    file = tmp_path / "005.dcm"  # the last: geometry alone could not tell
    file.write_bytes(file.read_bytes()[:length])
    refused(tmp_path, "005.dcm")


def test_a_truncated_compressed_slice_is_refused(tmp_path, series):
    made = series()
    for dataset in made.datasets:
        dataset.compress(RLELossless)
    made.save(tmp_path)
    file = tmp_path / "002.dcm"
    file.write_bytes(file.read_bytes()[:-60])
    refused(tmp_path, "002.dcm is cut short")


def test_a_slice_without_position_is_refused_by_name(tmp_path, series):
    made = series()
    del made.datasets[3].ImagePositionPatient
    refused(made.save(tmp_path), "003.dcm lacks ImagePositionPatient")


def test_a_single_slice_takes_its_stated_thickness_or_is_refused(tmp_path, series):
    made = series(n=1)
    (stack,) = survey(made.save(tmp_path / "a")).stacks
    assert stack.grid.spacing[0] == pytest.approx(2.5)
    assert "single slice" in stack.warnings[0]
    del made.datasets[0].SliceThickness
    refused(made.save(tmp_path / "b"), "SliceThickness")


# --- several images at one place --------------------------------------------------------------


def test_an_exact_copy_of_a_slice_is_left_out(tmp_path, series):
    made = series()
    made.save(tmp_path)
    made.datasets[2].SOPInstanceUID = generate_uid()
    made.datasets[2].save_as(tmp_path / "copy.dcm")
    (stack,) = survey(tmp_path).stacks
    assert "1 exact copies" in stack.repairs[0]
    same(stack.read(), hu(made), made.grid)


def test_a_whole_series_copied_twice_is_one_volume(tmp_path, series):
    made = series()
    made.save(tmp_path / "a")
    made.save(tmp_path / "b")
    same(read_volume(tmp_path), hu(made), made.grid)


def test_two_slices_at_one_place_with_other_pixels_are_refused(tmp_path, series, pixels_of):
    made = series()
    made.save(tmp_path)
    pixels_of(made.datasets[2], made.stored[2] + 1)
    made.datasets[2].InstanceNumber = 50
    made.datasets[2].save_as(tmp_path / "other.dcm")
    refused(tmp_path, "002.dcm and other.dcm lie at one place")


@pytest.mark.parametrize(
    ("keyword", "values", "parts"),
    [
        ("EchoTime", (30, 90), ("_te-30", "_te-90")),
        ("DiffusionBValue", (0.0, 1000.0), ("_b-0", "_b-1000")),
        ("ConvolutionKernel", ("B30f", "B70f"), ("_kernel-B30f", "_kernel-B70f")),
        ("TemporalPositionIdentifier", (1, 2), ("_time-1", "_time-2")),
        ("AcquisitionNumber", (4, 5), ("_acquisition-4", "_acquisition-5")),
        (
            "ImageType",
            (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]),
            ("_type-M", "_type-P"),
        ),
    ],
)
def test_several_volumes_in_one_series_are_told_apart(tmp_path, series, keyword, values, parts):
    both = [series(seed=i, modality="MR") for i in range(2)]
    for i, made in enumerate(both):
        for dataset in made.datasets:
            setattr(dataset, keyword, values[i])
            dataset.SeriesInstanceUID = both[0].datasets[0].SeriesInstanceUID
            dataset.StudyInstanceUID = both[0].datasets[0].StudyInstanceUID
        made.save(tmp_path / "scan", [f"{i}-{k}" for k in range(6)])
    stacks = survey(tmp_path).stacks
    assert [s.name for s in stacks] == [f"scan{part}" for part in parts]
    for stack, made in zip(stacks, both, strict=True):
        same(stack.read(), hu(made), made.grid)


def test_reconstructions_between_each_others_slices_are_not_mixed(tmp_path, series):
    """Nothing clashes and all is even, and yet it is two volumes."""
    made = series(n=8)
    for k, dataset in enumerate(made.datasets):
        dataset.ConvolutionKernel = ("B30f", "B70f")[k % 2]
    soft, sharp = survey(made.save(tmp_path)).stacks
    assert (soft.part, sharp.part) == ("_kernel-B30f", "_kernel-B70f")
    assert np.array_equal(soft.read().data[0], hu(made)[::2])
    assert np.array_equal(sharp.read().data[0], hu(made)[1::2])
    assert soft.grid.spacing[0] == pytest.approx(5.0)


def test_diffusion_directions_are_told_apart_within_a_b_value(tmp_path, series):
    made = [series(seed=i, modality="MR") for i in range(4)]
    for i, one in enumerate(made):
        for d in one.datasets:
            d.SeriesInstanceUID = made[0].datasets[0].SeriesInstanceUID
            d.StudyInstanceUID = made[0].datasets[0].StudyInstanceUID
            d.DiffusionBValue = 0.0 if i == 0 else 800.0
            if i:
                d.DiffusionGradientOrientation = [float(i == j) for j in (1, 2, 3)]
        one.save(tmp_path / "dwi", [f"{i}-{k}" for k in range(6)])
    stacks = survey(tmp_path).stacks
    assert [s.name for s in stacks] == ["dwi_b-0"] + [f"dwi_b-800_direction-{i}" for i in (1, 2, 3)]
    for stack, one in zip(stacks, made, strict=True):
        same(stack.read(), hu(one), one.grid)


def test_half_a_volume_is_not_taken_for_a_volume(tmp_path, series, pixels_of):
    """Two acquisitions that overlap in one slice: neither covers the series."""
    made = series()
    for k, dataset in enumerate(made.datasets):
        dataset.AcquisitionNumber = 1 if k < 3 else 2
    made.save(tmp_path)
    again = made.datasets[2]
    again.AcquisitionNumber, again.InstanceNumber = 2, 40
    pixels_of(again, made.stored[2] + 1)
    again.save_as(tmp_path / "again.dcm")
    refused(tmp_path, "lie at one place")


# --- images that do not belong ----------------------------------------------------------------


def test_a_localizer_in_the_series_is_split_off(tmp_path, series):
    made, scout = series(), series(n=1, orientation=(0, 1, 0, 0, 0, -1), size=(12, 14))
    scout.datasets[0].SeriesInstanceUID = made.datasets[0].SeriesInstanceUID
    scout.datasets[0].StudyInstanceUID = made.datasets[0].StudyInstanceUID
    made.save(tmp_path)
    scout.save(tmp_path, ["scout.dcm"])
    found = survey(tmp_path)
    assert "localizer" in found.refusals[0].reason
    assert found.refusals[0].files[0].name == "scout.dcm"
    same(read_volume(tmp_path), hu(made), made.grid)
    scout.datasets[0].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.datasets[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    scout.save(tmp_path, ["scout.dcm"])
    same(read_volume(tmp_path), hu(made), made.grid)


def test_one_slice_of_another_size_refuses_the_series(tmp_path, series):
    made, odd = series(), series(size=(6, 7))
    odd.datasets[5].SeriesInstanceUID = made.datasets[0].SeriesInstanceUID
    odd.datasets[5].StudyInstanceUID = made.datasets[0].StudyInstanceUID
    made.datasets[5] = odd.datasets[5]
    refused(made.save(tmp_path), "005.dcm has another size")


def test_colour_screenshots_are_refused(tmp_path, series):
    made = series(n=1, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    made.datasets[0].BitsAllocated, made.datasets[0].BitsStored = 8, 8
    made.datasets[0].HighBit = 7
    made.datasets[0].PixelData = bytes(8 * 10 * 3)
    refused(made.save(tmp_path), "colour images (RGB)")


def test_mosaics_are_refused(tmp_path, series):
    """Siemens tiles all slices of a time point into one image, which has one false position."""
    made = series(modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    refused(made.save(tmp_path), "mosaic")


def test_a_dose_grid_is_not_taken_for_a_scan(tmp_path, series):
    made = series()
    made.save(tmp_path)
    series(n=1, Modality="RTDOSE").save(tmp_path, ["dose.dcm"])
    found = survey(tmp_path)
    assert (len(found.stacks), found.refusals) == (1, ())
    assert "RTDOSE" in found.ignored[0].reason


def test_two_patients_in_one_series_are_refused(tmp_path, series):
    made = series()
    made.datasets[4].PatientID = "ANOTHER"
    found = refused(made.save(tmp_path), "name different patients", "004.dcm")
    assert "ANOTHER" not in str(found.to_dict())


def test_two_patients_with_one_id_are_found_and_not_named(tmp_path, series):
    first, second = series(), series(seed=1, PatientName="Other^Person")
    first.save(tmp_path / "a")
    second.save(tmp_path / "b")
    stacks = survey(tmp_path).stacks
    assert all("two patients with one ID" in s.warnings[0] for s in stacks)
    assert stacks[0].patient != stacks[1].patient
    text = repr(survey(tmp_path)) + str(survey(tmp_path).to_dict())
    for secret in ("Secret", "SECRETID", "Other", "Person", "19500607", "20200102"):
        assert secret not in text


def test_spellings_of_one_name_are_one_patient(tmp_path, series):
    series(PatientName="SECRET^NAME^^").save(tmp_path / "a")
    series(seed=1).save(tmp_path / "b")
    stacks = survey(tmp_path).stacks
    assert stacks[0].patient == stacks[1].patient
    assert not any(s.warnings for s in stacks)


# --- geometry, values -------------------------------------------------------------------------


def test_a_tilted_gantry_is_kept_as_an_exact_shear(tmp_path, series):
    made = series(step=(0.0, 0.9, 2.5))
    (stack,) = survey(made.save(tmp_path)).stacks
    assert stack.grid.is_sheared
    assert "tilted gantry" in stack.warnings[0]
    same(stack.read(), hu(made), made.grid)


def test_each_slice_has_its_own_rescale(tmp_path, series):
    made = series(modality="MR")
    expected = []
    for k, dataset in enumerate(made.datasets):
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5 + k / 4, 10.0 * k
        expected.append(made.stored[k] * (0.5 + k / 4) + 10.0 * k)
    volume = read_volume(made.save(tmp_path))
    assert volume.data.dtype == torch.float32
    assert np.allclose(volume.data[0], expected, rtol=1e-6)


@pytest.mark.parametrize("vr_wrong", [False, True], ids=["signed", "as unsigned"])
def test_padding_becomes_air(tmp_path, series, pixels_of, vr_wrong):
    made = series(signed=True, bits=16, low=-1000, high=2000, intercept=0)
    values = made.stored.copy()
    values[:, 0] = -2000
    for k, dataset in enumerate(made.datasets):
        pixels_of(dataset, values[k])
        if vr_wrong:
            dataset.add_new(0x00280120, "US", 65536 - 2000)
        else:
            dataset.add_new(0x00280120, "SS", -2000)
    (stack,) = survey(made.save(tmp_path)).stacks
    assert "padding (stored -2000) are read as -1000 HU" in stack.repairs[0]
    values[:, 0] = -1000
    same(stack.read(), values, made.grid)


def test_a_range_of_padding_becomes_air(tmp_path, series, pixels_of):
    made = series(signed=True, bits=16, low=-1000, high=2000, intercept=0)
    made.stored[:, 0, :5], made.stored[:, 0, 5:] = -3024, -2500
    for k, dataset in enumerate(made.datasets):
        pixels_of(dataset, made.stored[k])
        dataset.add_new(0x00280120, "SS", -3024)
        dataset.add_new(0x00280121, "SS", -2048)
    volume = read_volume(made.save(tmp_path))
    assert (volume.data[0, :, 0] == -1000).all()
    assert np.array_equal(volume.data[0, :, 1:], made.stored[:, 1:])


def test_overlay_bits_are_cleared(tmp_path, series, pixels_of):
    made = series()
    for k, dataset in enumerate(made.datasets):
        pixels_of(dataset, made.stored[k] | 0x8000)
    (stack,) = survey(made.save(tmp_path)).stacks
    volume, notes = stack.read_with_notes()
    assert "bits above BitsStored were cleared in 480 voxels" in notes[0]
    same(volume, hu(made), made.grid)


def test_pixels_that_are_not_in_the_lowest_bits_are_moved_down(tmp_path, series, pixels_of):
    made = series(signed=True, low=-2000, high=2000, intercept=0)
    for k, dataset in enumerate(made.datasets):
        dataset.HighBit = 15
        pixels_of(dataset, made.stored[k] << 4)
    same(read_volume(made.save(tmp_path)), made.stored, made.grid)


def test_monochrome1_keeps_its_values_and_warns(tmp_path, series):
    made = series(PhotometricInterpretation="MONOCHROME1")
    (stack,) = survey(made.save(tmp_path)).stacks
    assert "MONOCHROME1" in stack.warnings[0]
    same(stack.read(), hu(made), made.grid)


def test_ct_without_rescale_is_not_called_hounsfield(tmp_path, series):
    made = series(slope=None)
    (stack,) = survey(made.save(tmp_path)).stacks
    assert stack.kind is Volume
    assert "not Hounsfield units" in stack.warnings[0]
    with pytest.raises(UnreadableError):
        stack.read(CTVolume)


def test_ct_in_other_units_is_not_called_hounsfield(tmp_path, series):
    (stack,) = survey(series(RescaleType="MGML").save(tmp_path)).stacks
    assert stack.kind is Volume
    assert "MGML, not HU" in stack.warnings[0]


def test_a_lookup_table_is_not_passed_over(tmp_path, series):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "US"
    table.LUTData = bytes(8)
    made = series(modality="MR", slope=None, ModalityLUTSequence=[table])
    refused(made.save(tmp_path), "Modality LUT")


# --- encodings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=["implicit", "big endian", "deflated"],
)
def test_native_encodings(tmp_path, series, pixels_of, syntax):
    made = series(signed=True, low=-1024, high=2000, bits=16, intercept=0)
    for k, dataset in enumerate(made.datasets):
        dataset.add_new(0x00280120, "SS", -9999)
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            pixels_of(dataset, made.stored[k].astype(">i2"))
    same(read_volume(made.save(tmp_path)), made.stored, made.grid)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_encodings(tmp_path, series, syntax, signed):
    made = series(signed=signed, low=-1000 * signed, high=2000, intercept=0, size=(64, 64))
    for dataset in made.datasets:
        if syntax == JPEGLSLossless:
            pytest.importorskip("imagecodecs")
            _compress_jpegls(dataset)
        else:
            dataset.compress(syntax)
    same(read_volume(made.save(tmp_path)), made.stored, made.grid)


def _compress_jpegls(dataset):
    import imagecodecs
    from pydicom.encaps import encapsulate

    values = dataset.pixel_array.view(np.uint16) & 0x0FFF  # JPEG-LS knows no signs
    dataset.PixelData = encapsulate([imagecodecs.jpegls_encode(values)])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless


def test_twelve_bit_lossy_jpeg(tmp_path, series):
    """pydicom's decoders fail on it; SimpleITK's reads it."""
    import imagecodecs
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGExtended12Bit

    made = series(size=(32, 32))
    smooth = np.add.outer(np.arange(32) * 40, np.arange(32) * 30).astype(np.uint16)
    for dataset in made.datasets:
        coded = imagecodecs.jpeg_encode(smooth, level=100, bitspersample=12)
        dataset.PixelData = encapsulate([coded])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    volume = read_volume(made.save(tmp_path))
    assert np.abs(volume.data[0].numpy() - (smooth.astype(int) - 1024)).max() <= 8


@pytest.mark.parametrize("keep_meta", [False, True])
def test_no_preamble(tmp_path, series, keep_meta):
    made = series()
    made.save(tmp_path)
    for file in tmp_path.iterdir():
        raw = file.read_bytes()[132:]
        if not keep_meta:
            raw = raw[12 + int.from_bytes(raw[8:12], "little") :]
        file.write_bytes(raw)
    same(read_volume(tmp_path), hu(made), made.grid)


def test_files_without_endings_in_a_zip(tmp_path, series):
    made = series()
    made.save(tmp_path / "exam", [f"IM{k}" for k in range(6)])
    archive = shutil.make_archive(str(tmp_path / "exam_export"), "zip", tmp_path / "exam")
    shutil.rmtree(tmp_path / "exam")
    (stack,) = survey(archive).stacks
    assert stack.name == "exam_export"
    same(stack.read(), hu(made), made.grid)
    assert [p.name for p in tmp_path.iterdir()] == ["exam_export.zip"]
