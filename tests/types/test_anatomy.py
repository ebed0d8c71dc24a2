"""The table of structures: right codes, whole words, sides kept."""

import pytest
from oracles import oracle

from medlib.types import Code
from medlib.types.anatomy import (
    ABNORMAL_STRUCTURE,
    ANATOMICAL_STRUCTURE,
    TISSUE,
    code_for,
    concept_for,
    known_names,
)

codes = oracle("pydicom.sr.codedict").codes
_DICOM = {
    (code.value, code.meaning.casefold())
    for code in (getattr(codes.SCT, name) for name in dir(codes.SCT))
    if hasattr(code, "value")
}


@pytest.mark.parametrize("name", known_names())
def test_each_code_is_in_dicoms_dictionary_with_its_meaning(name):
    code = code_for(name)
    assert (code.value, code.meaning.casefold()) in _DICOM


@pytest.mark.parametrize("code", [ABNORMAL_STRUCTURE, ANATOMICAL_STRUCTURE, TISSUE])
def test_each_category_is_in_dicoms_dictionary(code):
    assert any(value == code.value for value, _ in _DICOM)


def test_there_are_enough():
    assert len(known_names()) > 100


@pytest.mark.parametrize(
    ("name", "meaning", "modifiers", "region"),
    [
        ("kidney_left", "Kidney", ["Left"], None),
        ("Left Kidney", "Kidney", ["Left"], None),
        ("kidney R", "Kidney", ["Right"], None),
        ("right_kidney", "Kidney", ["Right"], None),
        ("hippocampus anterior", "Hippocampus", ["Anterior"], None),
        ("Posterior hippocampus", "Hippocampus", ["Posterior"], None),
        ("livertumor1", "Neoplasm", [], "Liver"),
        ("left kidney tumour", "Neoplasm", ["Left"], "Kidney"),
        ("liver cysts", "Cyst", [], "Liver"),
        ("portalvein", "Portal vein", [], None),
        ("venoussystem", "Vein", [], None),
        ("heart_atrium_left", "Left atrium", [], None),
        ("left lateral ventricle", "Lateral Ventricle", ["Left"], None),
        ("left ventricle", "Left ventricle", [], None),
        ("vertebrae_L1", "L1 vertebra", [], None),
        ("superior vena cava", "Superior vena cava", [], None),
        ("lung_upper_lobe_left", "Upper lobe of lung", ["Left"], None),
        ("rib_left_4", "Rib", ["Left"], None),
        ("Oesophagus", "Esophagus", [], None),
        ("adrenal gland", "Adrenal gland", [], None),
    ],
)
def test_names_in_their_usual_forms(name, meaning, modifiers, region):
    concept = concept_for(name)
    assert concept.type.meaning == meaning
    assert [m.meaning for m in concept.modifiers] == modifiers
    assert (concept.region and concept.region.meaning) == region


@pytest.mark.parametrize(
    "name", ["", "7", "label 1", "left", "widget", "fluid", "kidney or spleen", "autochthon_left"]
)
def test_what_is_not_known_is_not_guessed(name):
    assert concept_for(name) is None


def test_a_given_code_stands_and_the_name_gives_the_side():
    spleen = Code("78961009", "SCT", "Spleen")
    concept = concept_for("left something", spleen)
    assert (concept.type, concept.category) == (spleen, ANATOMICAL_STRUCTURE)
    assert [m.meaning for m in concept.modifiers] == ["Left"]
