"""DICOM segmentations: clean by a validator, and back on the image's grid with nothing lost."""

import subprocess
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from pydicom.uid import generate_uid

from medlib.io import UnreadableError, read_mask, survey, write_seg
from medlib.types import Code, Label, Labels, Mask

BY = {"algorithm_name": "test", "algorithm_version": "1.0"}


@pytest.fixture
def stack(tmp_path, series):
    series(size=(16, 20)).save(tmp_path / "ct")
    return survey(tmp_path / "ct").stacks[0]


def mask_on(grid, names=("left kidney", "liver tumour", "widget"), ids=None, layers=1):
    voxels = np.random.default_rng(0).integers(0, len(names) + 1, (layers, *grid.shape))
    voxels[:, 0] = voxels[:, -1] = 0  # empty slices, which a SEG leaves out
    ids = ids or tuple(range(1, len(names) + 1))
    numbers = np.array([0, *ids])[voxels]
    labels = Labels(tuple(Label(i, n) for i, n in zip(ids, names, strict=True)))
    return Mask(torch.from_numpy(numbers.astype(np.int32)), grid, labels)


def same(read, mask):
    return all(torch.equal(read.structure(n), mask.structure(n)) for n in mask.labels.names)


@pytest.mark.parametrize("labelmap", [False, True])
def test_a_mask_comes_back_on_the_images_grid(tmp_path, stack, labelmap):
    mask = mask_on(stack.grid)
    notes = write_seg(mask, stack, tmp_path / "s.dcm", labelmap=labelmap, **BY)
    assert notes == ("'widget' has no code: it is written as a tissue of that name",)
    read = read_mask(tmp_path / "s.dcm", on=stack.grid)
    assert read.grid == stack.grid
    assert read.labels.names == mask.labels.names
    assert torch.equal(read.data, mask.data.to(torch.uint8))
    alone = read_mask(tmp_path / "s.dcm")
    assert alone.grid.close_to(stack.grid.window((1, 0, 0), alone.grid.shape))


def test_an_empty_slice_in_the_middle_is_put_back_without_the_image(tmp_path, stack):
    mask = mask_on(stack.grid)
    mask.data[:, 2] = 0
    write_seg(mask, stack, tmp_path / "s.dcm", **BY)
    alone = read_mask(tmp_path / "s.dcm")
    assert alone.grid.shape == (4, 16, 20)
    assert torch.equal(alone.data, mask.data[:, 1:5].to(torch.uint8))


def test_overlapping_structures_are_kept(tmp_path, stack):
    mask = mask_on(stack.grid, layers=2)
    write_seg(mask, stack, tmp_path / "s.dcm", **BY)
    read = read_mask(tmp_path / "s.dcm", on=stack.grid)
    assert read.overlaps
    assert same(read, mask)
    with pytest.raises(ValueError, match="label map cannot hold"):
        write_seg(mask, stack, tmp_path / "t.dcm", labelmap=True, **BY)
    assert not (tmp_path / "t.dcm").exists()


@pytest.mark.parametrize("layers", [1, 2])
def test_what_nobody_looked_for_has_no_segment_that_says_it_is_not_there(tmp_path, stack, layers):
    mask = mask_on(stack.grid, layers=layers)
    data = torch.where(mask.data == 1, 0, mask.data)
    mask = replace(mask, data=data, annotated=("liver tumour", "widget"))
    write_seg(mask, stack, tmp_path / "s.dcm", **BY)
    written = pydicom.dcmread(tmp_path / "s.dcm")
    assert [s.SegmentLabel for s in written.SegmentSequence] == ["liver tumour", "widget"]
    read = read_mask(tmp_path / "s.dcm", on=stack.grid)
    for name in read.labels.names:
        assert torch.equal(read.structure(name), mask.structure(name))
    nothing = replace(mask, data=torch.zeros_like(data), annotated=())
    with pytest.raises(ValueError, match="nothing to write"):
        write_seg(nothing, stack, tmp_path / "t.dcm", **BY)


def test_ids_come_back_by_name(tmp_path, stack):
    mask = mask_on(stack.grid, ids=(300, 7, 40))
    write_seg(mask, stack, tmp_path / "s.dcm", **BY)
    read = read_mask(tmp_path / "s.dcm", on=stack.grid, labels=mask.labels)
    assert torch.equal(read.data, mask.data)
    with pytest.raises(UnreadableError, match="holds liver tumour, widget"):
        read_mask(tmp_path / "s.dcm", labels=Labels.of(["left kidney"]))


def test_a_mask_with_other_axes_is_written_where_it_lies(tmp_path, stack):
    turned = mask_on(stack.grid.reoriented("LAI"))
    write_seg(turned, stack, tmp_path / "s.dcm", **BY)
    read = read_mask(tmp_path / "s.dcm", on=stack.grid)
    for name in turned.labels.names:
        index = np.argwhere(turned.structure(name).numpy())
        there = np.rint(stack.grid.to_index(turned.grid.to_patient(index))).astype(int)
        assert read.structure(name)[tuple(there.T)].all()
        assert int(read.structure(name).sum()) == len(index)


def test_codes_sides_colours_and_references(tmp_path, stack):
    labels = Labels(
        (
            Label(1, "left kidney", colour="#112233"),
            Label(2, "my name for it", Code("78961009", "SCT", "Spleen")),
            Label(3, "pancreas tumour"),
        )
    )
    mask = Mask(mask_on(stack.grid).data, stack.grid, labels)
    write_seg(mask, stack, tmp_path / "s.dcm", series_description="by test", **BY)
    seg = pydicom.dcmread(tmp_path / "s.dcm")
    kidney, spleen, tumour = seg.SegmentSequence
    kind = kidney.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("64033007", "SCT")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert spleen.SegmentLabel == "my name for it"
    assert spleen.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Spleen"
    assert tumour.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert tumour.AnatomicRegionSequence[0].CodeMeaning == "Pancreas"
    source = pydicom.dcmread(stack.files[0].path)
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[keyword].value == source[keyword].value
    assert seg.SeriesDescription == "by test"
    referenced = {
        item.ReferencedSOPInstanceUID
        for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referenced == {pydicom.dcmread(f.path).SOPInstanceUID for f in stack.files}
    colours = [label.colour for label in read_mask(tmp_path / "s.dcm").labels]
    rgb = [int(colours[0][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(np.subtract(rgb, (0x11, 0x22, 0x33))).max() <= 2


def test_highdicom_reads_the_same_voxels(tmp_path, stack):
    mask = mask_on(stack.grid)
    write_seg(mask, stack, tmp_path / "s.dcm", **BY)
    seg = highdicom.seg.segread(tmp_path / "s.dcm")
    volume = seg.get_volume(combine_segments=True)
    index = np.argwhere(volume.array)  # highdicom may count the slices downwards
    places = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    ours = np.rint(stack.grid.to_index(places)).astype(int)
    assert len(index) == int((mask.data > 0).sum())
    assert np.array_equal(volume.array[tuple(index.T)], mask.data[0][tuple(ours.T)])


@pytest.mark.system
@pytest.mark.parametrize("layers", [1, 2])
def test_dciodvfy_finds_no_errors(tmp_path, stack, program, layers):
    write_seg(mask_on(stack.grid, layers=layers), stack, tmp_path / "s.dcm", **BY)
    said = subprocess.run(
        [program("dciodvfy"), tmp_path / "s.dcm"], capture_output=True, text=True, check=False
    )
    lines = (said.stdout + said.stderr).splitlines()
    assert [line for line in lines if line.startswith(("Error", "Warning"))] == []


def test_a_tilted_gantry_is_segmented_and_read_back(tmp_path, series):
    series(size=(16, 20), step=(0.0, 0.9, 2.5)).save(tmp_path / "ct")
    (tilted,) = survey(tmp_path / "ct").stacks
    mask = mask_on(tilted.grid)
    write_seg(mask, tilted, tmp_path / "s.dcm", **BY)
    assert same(read_mask(tmp_path / "s.dcm", on=tilted.grid), mask)


def test_one_part_of_a_series_is_segmented(tmp_path, series):
    both = [series(seed=i, modality="MR", EchoTime=30 * i + 30) for i in range(2)]
    for i, made in enumerate(both):
        for d in made.datasets:
            d.SeriesInstanceUID = both[0].datasets[0].SeriesInstanceUID
            d.StudyInstanceUID = both[0].datasets[0].StudyInstanceUID
            d.FrameOfReferenceUID = both[0].datasets[0].FrameOfReferenceUID
        made.save(tmp_path / "mr", [f"{i}-{k}" for k in range(6)])
    stack = survey(tmp_path / "mr").stacks[1]
    write_seg(mask_on(stack.grid), stack, tmp_path / "s.dcm", **BY)
    referenced = pydicom.dcmread(tmp_path / "s.dcm").ReferencedSeriesSequence[0]
    uids = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
    assert uids == {d.SOPInstanceUID for d in both[1].datasets}


def test_another_grid_is_refused_both_ways(tmp_path, stack):
    moved = stack.grid.window((0, 1, 0), stack.grid.shape)
    with pytest.raises(UnreadableError, match="another grid"):
        write_seg(mask_on(moved), stack, tmp_path / "s.dcm", **BY)
    assert not (tmp_path / "s.dcm").exists()
    write_seg(mask_on(stack.grid), stack, tmp_path / "s.dcm", **BY)
    with pytest.raises(UnreadableError, match="another grid"):
        read_mask(tmp_path / "s.dcm", on=moved)


def test_images_without_identifiers_cannot_be_referred_to(tmp_path, series):
    made = series(SOPInstanceUID="")
    (stack,) = survey(made.save(tmp_path / "ct")).stacks
    with pytest.raises(UnreadableError, match=r"000\.dcm lacks its SOPInstanceUID"):
        write_seg(mask_on(stack.grid), stack, tmp_path / "s.dcm", **BY)


def test_old_images_without_a_frame_of_reference_are_referred_to(tmp_path, series):
    made = series()
    for dataset in made.datasets:
        del dataset.FrameOfReferenceUID, dataset.StudyID, dataset.AccessionNumber
    (stack,) = survey(made.save(tmp_path / "ct")).stacks
    for name in ("a.dcm", "b.dcm"):
        write_seg(mask_on(stack.grid), stack, tmp_path / name, **BY)
    first, second = (pydicom.dcmread(tmp_path / n).FrameOfReferenceUID for n in ("a.dcm", "b.dcm"))
    assert first == second


def test_the_callers_identifiers_are_used(tmp_path, stack):
    series_uid, instance = generate_uid(), generate_uid()
    write_seg(
        mask_on(stack.grid),
        stack,
        tmp_path / "s.dcm",
        series_uid=series_uid,
        instance_uid=instance,
        algorithm_type="MANUAL",
        **BY,
    )
    seg = pydicom.dcmread(tmp_path / "s.dcm")
    assert (seg.SeriesInstanceUID, seg.SOPInstanceUID) == (series_uid, instance)
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"


def test_a_survey_lists_segmentations_apart(tmp_path, stack):
    write_seg(mask_on(stack.grid), stack, tmp_path / "ct" / "s.dcm", **BY)
    found = survey(tmp_path / "ct")
    assert len(found.stacks) == 1
    assert [s.file.name for s in found.segmentations] == ["s.dcm"]
    assert read_mask(tmp_path / "ct", on=stack.grid).labels.names[0] == "left kidney"


def test_a_fractional_segmentation_is_refused(tmp_path, stack):
    write_seg(mask_on(stack.grid), stack, tmp_path / "s.dcm", **BY)
    seg = pydicom.dcmread(tmp_path / "s.dcm")
    seg.SegmentationType = "FRACTIONAL"
    seg.save_as(tmp_path / "f.dcm")
    with pytest.raises(UnreadableError, match="fractional segmentation"):
        read_mask(tmp_path / "f.dcm")
