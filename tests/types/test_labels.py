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


# --- what nobody looked at ----------------------------------------------------------------


def test_the_id_of_what_was_not_looked_at_is_no_structure():
    table = Labels.of(["liver", "spleen"], ignored=255)
    assert table.names == ("liver", "spleen")
    assert table.ids == (1, 2)
    assert len(list(table)) == len(table) == 2
    with pytest.raises(KeyError, match="no label has the id 255"):
        table.by_id(255)


@given(st.integers(1, 65535), st.booleans())
def test_json_brings_back_what_was_not_looked_at(number, has_structures):
    table = Labels.of({number % 65535 + 1: "liver"} if has_structures else {}, ignored=number)
    assert Labels.from_list(json.loads(json.dumps(table.to_list()))) == table


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_ids_that_cannot_mean_not_annotated(number):
    with pytest.raises(ValueError, match="1 to 65535"):
        Labels.of(["liver"], ignored=number)


def test_one_id_cannot_be_a_structure_and_unknown():
    with pytest.raises(ValueError, match="both 'liver' and 'not annotated'"):
        Labels.of(["liver"], ignored=1)


def test_rows_whose_role_is_not_understood_are_refused():
    """A later role, read as a structure, would be learned as one."""
    with pytest.raises(ValueError, match="roles uncertain"):
        Labels.from_list([{"id": 1, "name": "liver", "role": "uncertain"}])
    twice = [{"id": i, "name": "?", "role": "ignored"} for i in (8, 9)]
    with pytest.raises(ValueError, match=r"\[8, 9\] all stand"):
        Labels.from_list(twice)
