"""Time points, sides and sequences of one patient are never told apart; patients are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlib.data.patients import patient_of


@pytest.mark.parametrize(
    "names",
    [
        ("sub-01_ses-1_T1w", "sub-01_ses-2_FLAIR", "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"),
        ("sub-01_T1w", "SUB-01_run-2_bold"),
        ("BraTS-GLI-00005-000", "BraTS-GLI-00005-100-t1c"),
        ("TCGA-02-0003_1997.06.08_T1", "TCGA-02-0003_1998.01.02_FLAIR"),
        ("OAS30001_MR_d0129", "OAS30001_MR_d0757"),
        ("OAS1_0001_MR1", "OAS1_0001_MR2"),
        ("9001104_LEFT", "9001104_RIGHT", "9001104"),
        ("patient07_visit1", "patient07_visit_2", "patient07-v3", "Patient07_baseline"),
        ("p7_20200102", "p7_20211231"),
        ("pre_12", "post_12", "12"),
        ("baseline_3", "fu_3", "followup_3"),
        ("lesion_4_T1", "lesion_4_T2", "lesion_4_CT"),
        ("case_3_0000", "case_3"),
        ("a_lh", "a_rh"),
        ("x_tp0", "x_tp1"),
        ("pat_5_month_06", "pat_5_month_12", "pat_5_month12"),
    ],
)
def test_scans_of_one_patient(names):
    assert len(set(map(patient_of, names))) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("sub-01_ses-1_T1w", "sub-02_ses-1_T1w", "sub-010_ses-1_T1w"),
        ("BraTS-GLI-00005-000", "BraTS-GLI-00006-000"),
        ("hippocampus_001", "hippocampus_003"),
        ("case_00000", "case_00001"),
        ("image_1", "image_2"),
        ("scan_1", "scan_2"),
        ("ct_1", "ct_2"),
        ("visit_1", "visit_2"),
        ("LUNG1-001", "LUNG1-002"),
        ("002_S_0295", "002_S_0413"),
        ("1 (x)", "2 (x)"),
        ("p1_ct", "p10_ct"),
        ("left", "right"),
        ("20200102", "20200103"),
        ("s1", "s2"),
    ],
)
def test_different_patients(names):
    assert len(set(map(patient_of, names))) == len(names)


@given(st.text(min_size=1))
def test_every_name_says_somebody(name):
    assert patient_of(name)
    assert patient_of(name) == patient_of(name)
