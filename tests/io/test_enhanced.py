"""Enhanced multi-frame CT and MR: as their single-frame kin."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from medlib.io import read_mask, read_volume, survey, write_seg
from medlib.types import CTVolume, Labels, Mask, MRVolume


def item(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def enhanced(made, order, *, extra=lambda k: {}):
    """One multi-frame object from a series' slices, in a given order of frames."""
    whole = made.datasets[0]
    ct = whole.Modality == "CT"
    whole.SOPClassUID = EnhancedCTImageStorage if ct else EnhancedMRImageStorage
    whole.file_meta.MediaStorageSOPClassUID = whole.SOPClassUID
    whole.NumberOfFrames = len(order)
    frames = []
    for k in order:
        slice_ = made.datasets[k]
        frames.append(
            item(
                PlanePositionSequence=[item(ImagePositionPatient=slice_.ImagePositionPatient)],
                FrameContentSequence=[item(StackID="1", InStackPositionNumber=k + 1)],
                **extra(k),
            )
        )
    whole.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=whole.ImageOrientationPatient)],
            PixelMeasuresSequence=[
                item(PixelSpacing=whole.PixelSpacing, SliceThickness=whole.SliceThickness)
            ],
            PixelValueTransformationSequence=[
                item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
            ],
        )
    ]
    whole.PerFrameFunctionalGroupsSequence = frames
    whole.PixelData = np.stack([made.stored[k] for k in order]).tobytes()
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("RescaleSlope", "RescaleIntercept"),
    ):
        delattr(whole, keyword)
    return whole


@pytest.mark.parametrize(("modality", "kind"), [("CT", CTVolume), ("MR", MRVolume)])
def test_frames_in_any_order_are_one_volume(tmp_path, series, modality, kind):
    made = series(modality=modality)
    enhanced(made, [3, 0, 5, 1, 4, 2]).save_as(tmp_path / "multi")
    volume = read_volume(tmp_path)
    assert type(volume) is kind
    assert np.array_equal(volume.data[0], made.stored.astype(int) - 1024)
    assert volume.grid.close_to(made.grid, tolerance_mm=1e-6)


def test_b_values_in_one_object_are_told_apart(tmp_path, series):
    made = series(modality="MR", n=6)
    for k in (3, 4, 5):
        made.datasets[k].ImagePositionPatient = made.datasets[k - 3].ImagePositionPatient
    whole = enhanced(
        made,
        range(6),
        extra=lambda k: {"MRDiffusionSequence": [item(DiffusionBValue=0.0 if k < 3 else 700.0)]},
    )
    whole.save_as(tmp_path / "multi.dcm")
    low, high = survey(tmp_path).stacks
    assert low.name.endswith("_b-0")
    assert high.name.endswith("_b-700")
    assert np.array_equal(low.read().data[0], made.stored[:3].astype(int) - 1024)
    assert np.array_equal(high.read().data[0], made.stored[3:].astype(int) - 1024)


def test_a_missing_frame_is_refused(tmp_path, series):
    enhanced(series(), [0, 1, 3, 4, 5]).save_as(tmp_path / "multi.dcm")
    (refusal,) = survey(tmp_path).refusals
    assert "1 slice(s) are missing" in refusal.reason
    assert "frame 2" in refusal.reason


def test_a_multi_frame_object_without_places_is_refused(tmp_path, series):
    whole = enhanced(series(), range(6))
    del whole.PerFrameFunctionalGroupsSequence
    whole.save_as(tmp_path / "multi.dcm")
    (refusal,) = survey(tmp_path).refusals
    assert "lacks ImagePositionPatient" in refusal.reason


def test_a_segmentation_of_an_enhanced_object_returns_to_its_grid(tmp_path, series):
    import torch

    made = series(size=(16, 16))
    enhanced(made, [5, 4, 3, 2, 1, 0]).save_as(tmp_path / "multi.dcm")
    (stack,) = survey(tmp_path).stacks
    voxels = torch.zeros(1, *stack.grid.shape, dtype=torch.uint8)
    voxels[0, 1:3, 2:5, 3:9] = 1
    mask = Mask(voxels, stack.grid, Labels.of(["liver"]))
    write_seg(mask, stack, tmp_path / "seg.dcm", algorithm_name="a", algorithm_version="1")
    again = read_mask(tmp_path / "seg.dcm", on=stack.grid)
    assert torch.equal(again.data, mask.data)
