import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlib.types import Code, Label, Labels

names = st.text(min_size=1, max_size=12).filter(str.strip)


def test_a_table_from_names_and_from_ids():
    assert Labels.of(["liver", "spleen"]).ids == (1, 2)
    table = Labels.of({7: "liver", 3: "spleen"})
    assert table["liver"].id == 7
    assert table.by_id(3).name == "spleen"
    assert "spleen" in table
    assert "kidney" not in table


def test_what_is_not_there_is_told_with_what_is():
    table = Labels.of(["liver", "spleen"])
    with pytest.raises(KeyError, match=r"kidney.*liver, spleen"):
        table["kidney"]
    with pytest.raises(KeyError, match=r"9.*\(1, 2\)"):
        table.by_id(9)


@pytest.mark.parametrize("label_id", [0, -1, 65536])
def test_ids_that_a_mask_cannot_hold(label_id):
    with pytest.raises(ValueError, match="1 to 65535"):
        Label(label_id, "liver")


def test_background_is_no_label():
    """Decathlon tables name 0 'background': the error says what to do."""
    with pytest.raises(ValueError, match="0 is background"):
        Labels.of({0: "background", 1: "liver"})


def test_two_of_one_name_or_id():
    with pytest.raises(ValueError, match="the name liver more than once"):
        Labels.of(["liver", "liver"])
    with pytest.raises(ValueError, match="the id 2 more than once"):
        Labels((Label(2, "a"), Label(2, "b")))


def test_one_string_is_not_a_label_a_letter():
    with pytest.raises(TypeError, match=r"\['liver'\]"):
        Labels.of("liver")


@pytest.mark.parametrize("name", ["", "  "])
def test_names_that_say_nothing(name):
    with pytest.raises(ValueError, match="no name"):
        Label(1, name)


@pytest.mark.parametrize("colour", ["red", "#12", "#GG0000", "112233"])
def test_colours_that_are_none(colour):
    with pytest.raises(ValueError, match="#RRGGBB"):
        Label(1, "liver", colour=colour)


def test_colours_differ_and_are_read():
    table = Labels.of([f"structure {i}" for i in range(16)])
    assert len({label.colour for label in table}) == 16
    assert Label(1, "liver", colour="#FF8000").rgb == (255, 128, 0)


@given(st.dictionaries(st.integers(1, 65535), names, max_size=8))
def test_json_brings_back_an_equal_table(found):
    unique = {i: f"{name}{i}" for i, name in found.items()}
    table = Labels.of(unique)
    assert Labels.from_list(json.loads(json.dumps(table.to_list()))) == table


def test_json_brings_back_codes():
    table = Labels((Label(1, "liver", Code("10200004", "SCT", "Liver"), "#112233"),))
    assert Labels.from_list(json.loads(json.dumps(table.to_list()))) == table
