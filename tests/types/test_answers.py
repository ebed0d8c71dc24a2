import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medlib.types import Categories, Category, Measurement

FINDINGS = ("effusion", "nodule", "cardiomegaly")


def test_an_answer_is_one_of_its_vocabulary():
    assert Category("malignant", ("benign", "malignant")).index == 1
    with pytest.raises(ValueError, match="'cyst' is not one of benign, malignant"):
        Category("cyst", ("benign", "malignant"))


def test_several_answers():
    value = Categories(("nodule", "effusion"), FINDINGS)
    assert value.vector.tolist() == [True, True, False]
    assert value.vector.dtype == torch.bool
    assert value == Categories(("effusion", "nodule"), FINDINGS)
    assert not Categories((), FINDINGS).vector.any()
    assert pickle.loads(pickle.dumps(value)) == value


def test_what_nobody_knows_is_neither_yes_nor_no():
    value = Categories(("effusion",), FINDINGS, unknown=("cardiomegaly",))
    assert value.answered == (True, False, None)
    assert value != Categories(("effusion",), FINDINGS)
    with pytest.raises(ValueError, match="of cardiomegaly nobody knows"):
        _ = value.vector
    with pytest.raises(ValueError, match="twice: effusion, effusion"):
        Categories(("effusion",), FINDINGS, unknown=("effusion",))
    with pytest.raises(ValueError, match="'cyst' is not one of"):
        Categories((), FINDINGS, unknown=("cyst",))


@pytest.mark.parametrize(
    ("names", "vocabulary", "error", "words"),
    [
        (("cyst",), FINDINGS, ValueError, "'cyst' is not one of effusion, nodule"),
        (("nodule", "nodule"), FINDINGS, ValueError, "twice: nodule, nodule"),
        ((), ("a", "b", "a"), ValueError, "says a word twice: a, b, a"),
        ("nodule", FINDINGS, TypeError, r"\('nodule',\)"),
        (("a",), "abc", TypeError, "several words"),
    ],
)
def test_several_answers_that_are_none(names, vocabulary, error, words):
    with pytest.raises(error, match=words):
        Categories(names, vocabulary)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_could_not_be_measured_is_no_number(value):
    with pytest.raises(ValueError, match=r"liver volume is .*leave out"):
        Measurement(value, "ml", "liver volume")


@pytest.mark.parametrize("unit", ["", " "])
def test_a_number_without_a_unit_is_no_measurement(unit):
    with pytest.raises(ValueError, match="needs a unit; '1' for none"):
        Measurement(3, unit)


@pytest.mark.parametrize(
    ("value", "unit", "other", "expected"),
    [
        (25.0, "mm", "cm", 2.5),
        (2.0, "m", "mm", 2000.0),
        (1.0, "cm2", "mm2", 100.0),
        (1.0, "ml", "cm3", 1.0),
        (1500.0, "mm3", "ml", 1.5),
        (2.0, "l", "ml", 2000.0),
        (7.0, "deg", "deg", 7.0),
    ],
)
def test_units(value, unit, other, expected):
    found = Measurement(value, unit, "x").to(other)
    assert (found.value, found.unit, found.name) == (pytest.approx(expected), other, "x")


@given(st.floats(1e-3, 1e6), st.sampled_from(["mm", "cm", "m"]), st.sampled_from(["mm", "cm", "m"]))
def test_units_there_and_back(value, unit, other):
    assert Measurement(value, unit).to(other).to(unit).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("unit", "other", "words"),
    [
        ("mm", "ml", "it can be turned into: mm, cm, m"),
        ("mm2", "mm", "it can be turned into: mm2, cm2"),
        ("ml", "mL", "it can be turned into: mm3, cm3, ml, l"),
        ("[hnsf'U]", "1", "nothing else"),
        ("mm", "inch", "mm, cm, m"),
    ],
)
def test_units_that_do_not_go_together(unit, other, words):
    with pytest.raises(ValueError, match=words):
        Measurement(1, unit).to(other)
