"""Cards: a wrong label code, licence or checksum misleads everyone after."""

import tomllib
from pathlib import Path

import pytest

from medlib import datasets, resources
from medlib.datasets import Card

CARDS = datasets.available()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_cards_are_whole(card: Card) -> None:
    assert card == datasets.card(card.name)
    assert card.folder.name == card.name
    assert all(label.code.scheme == "SCT" for label in card.labels)
    for download in card.downloads:
        assert download.checksum_source
    assert card.recipe == "" or (card.folder / card.recipe).is_file()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_non_commercial_licences_say_so(card: Card) -> None:
    assert card.licence.commercial == ("-NC" not in card.licence.spdx)


def test_label_codes_are_those_of_the_standard() -> None:
    codes = pytest.importorskip("pydicom.sr.codedict").codes
    known = {getattr(codes.SCT, name).value for name in codes.SCT.dir()}
    for card in CARDS:
        for label in card.labels:
            assert label.code.value in known, (card.name, label.name)


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"Did you mean 'msd_hippocampus'.*ct_phantom"):
        datasets.card("msd_hipocampus")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "Extra inputs"),
        ({"labels": []}, "labels if, and only if"),
        ({"recipe": "recipe.toml"}, "either a recipe or the layouts"),
        ({"downloads": [{"url": "http://x/y", "checksum": "", "checksum_source": "-"}]}, "pattern"),
        ({"downloads": [{"url": "https://x/y", "checksum": "sha256:12", "checksum_source": "-"}]},
         "pattern"),
        ({"split": {"test": ["a"], "test_share": 0.5, "source": "-"}}, "not both"),
    ],
)  # fmt: skip
def test_faulty_cards_are_refused(change: dict[str, object], message: str) -> None:
    path = resources.folder("datasets") / "msd_hippocampus" / "card.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match=message):
        Card.model_validate(values | change)


def test_a_faulty_card_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    path = tmp_path / "broken" / "card.toml"
    path.write_text("title = ")
    with pytest.raises(ValueError, match=r"broken/card\.toml is not a valid card"):
        Card.read(path)


def test_two_labels_of_one_id_are_refused() -> None:
    values = datasets.card("msd_hippocampus").model_dump()
    values["labels"][1]["id"] = 1
    with pytest.raises(ValueError, match="more than once"):
        Card.model_validate(values)


def test_missing_share_is_said() -> None:
    with pytest.raises(FileNotFoundError, match="install medlib again"):
        resources.folder("no such folder")
