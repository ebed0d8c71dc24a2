"""PET into SUVbw, by hand-worked numbers; refused where a number is missing."""

import numpy as np
import pytest
from pydicom import Dataset

from medlib.io import read_volume, survey
from medlib.types import PETVolume

HALF_LIFE = 6586.2  # fluorine-18, seconds


def drug(**changes):
    item = Dataset()
    item.RadionuclideTotalDose = 370e6
    item.RadionuclideHalfLife = HALF_LIFE
    item.RadiopharmaceuticalStartTime = "090000.00"
    for keyword, value in changes.items():
        if value is None:
            delattr(item, keyword)
        else:
            setattr(item, keyword, value)
    return [item]


def pet(series, **changes):
    values = {
        "Units": "BQML",
        "CorrectedImage": ["ATTN", "DECY", "SCAT"],
        "DecayCorrection": "START",
        "PatientWeight": 70.0,
        "SeriesDate": "20200102",
        "SeriesTime": "100000",
        "AcquisitionDate": "20200102",
        "AcquisitionTime": "100500",
        "RadiopharmaceuticalInformationSequence": drug(),
    } | changes
    kept = {keyword: value for keyword, value in values.items() if value is not None}
    return series(modality="PT", slope=2.5, intercept=0, low=0, high=30000, bits=16, **kept)


def factor(seconds):
    return 70.0 * 1000 / (370e6 * 2 ** (-seconds / HALF_LIFE))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, factor(3600)),
        ({"DecayCorrection": "ADMIN"}, factor(0)),
        # a series made anew, long after: the earliest acquisition counts
        ({"SeriesTime": "150000"}, factor(3900)),
        (
            {
                "RadiopharmaceuticalInformationSequence": drug(
                    RadiopharmaceuticalStartTime="233000"
                ),
                "SeriesTime": "003000",
                "AcquisitionTime": "003500",
            },
            factor(3600),  # past midnight
        ),
        (
            {
                "RadiopharmaceuticalInformationSequence": drug(
                    RadiopharmaceuticalStartDateTime="20200102083000.000000"
                )
            },
            factor(5400),
        ),
        ({"Units": "GML", "RadiopharmaceuticalInformationSequence": None}, 1.0),
    ],
)
def test_suv(tmp_path, series, changes, expected):
    made = pet(series, **changes)
    volume = read_volume(made.save(tmp_path))
    assert type(volume) is PETVolume
    assert np.allclose(volume.data[0], made.stored * 2.5 * expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PatientWeight": None}, "PatientWeight (0010,1030)"),
        ({"Units": "CNTS"}, "Units (0054,1001) is CNTS"),
        ({"Units": None}, "Units (0054,1001)"),
        ({"DecayCorrection": "NONE"}, "DecayCorrection (0054,1102) is NONE"),
        ({"CorrectedImage": ["ATTN"]}, "CorrectedImage (0028,0051)"),
        ({"RadiopharmaceuticalInformationSequence": None}, "(0054,0016)"),
        (
            {"RadiopharmaceuticalInformationSequence": drug(RadionuclideTotalDose=None)},
            "RadionuclideTotalDose (0018,1074)",
        ),
        (
            {"RadiopharmaceuticalInformationSequence": drug(RadiopharmaceuticalStartTime=None)},
            "RadiopharmaceuticalStartTime (0018,1072)",
        ),
        (
            {"RadiopharmaceuticalInformationSequence": drug(RadionuclideHalfLife=None)},
            "RadionuclideHalfLife (0018,1075)",
        ),
        ({"AcquisitionTime": None}, "AcquisitionTime (0008,0032)"),
        ({"PatientWeight": 0.0}, "not positive"),
    ],
)
def test_what_suv_needs_is_named(tmp_path, series, changes, words):
    found = survey(pet(series, **changes).save(tmp_path))
    assert found.stacks == ()
    assert words in found.refusals[0].reason
