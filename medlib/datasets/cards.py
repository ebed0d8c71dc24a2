"""Data-set cards: what a data set is, whence it comes, and what one may do with it.

A card is ``datasets/<name>/card.toml``. A set that is downloaded needs nothing but a card; a set
that is drawn has its recipe beside it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from medlib import resources
from medlib.types import Code, Label, Labels

CARD_FILE = "card.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Licence(_Strict):
    """What the data's owners allow.

    Args:
        spdx: identifier from the SPDX licence list.
        url: the licence's text, or the owners' own statement.
        redistribution: whether copies may be passed on.
        commercial: whether commercial use is allowed.
        note: conditions in plain words.
    """

    spdx: str
    url: str
    redistribution: bool
    commercial: bool
    note: str = ""


class Download(_Strict):
    """An archive or file on the owners' server.

    Args:
        url: where it is; https.
        checksum: ``sha256:…``, or ``md5:…`` where the owners publish no other. Empty when the
            owners publish none: then it is not downloaded.
        checksum_source: who states the checksum, or why there is none.
        size: bytes, where known.
    """

    url: Annotated[str, Field(pattern=r"^https://")]
    checksum: Annotated[str, Field(pattern=r"^(|sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")]
    checksum_source: str
    size: PositiveInt | None = None

    @property
    def file_name(self) -> str:
        """What to call it on disk."""
        return self.url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]


class Layout(_Strict):
    """One way in which the files may lie in a folder.

    Args:
        name: which way, for messages.
        images: path below the folder, with ``{case}`` for the case's own part.
        labels: likewise; for a set that keeps everything in one file, the same path.
        form: how the labels are stored, and so what turns them into one file a case.
    """

    name: str
    images: str
    labels: str
    form: Literal["file", "png_slices", "series_per_structure", "npz_classes"] = "file"


class CardCode(_Strict):
    """A coded concept."""

    value: str
    scheme: str
    meaning: str


class CardLabel(_Strict):
    """A structure that the labels outline.

    Args:
        id: its number in the files that medlib prepares.
        name: what it is called.
        code: what it is.
        stored: how the owners' own files say it, where not by the id: grey values, or names of
            folders, in which ``*`` stands for anything.
    """

    id: PositiveInt
    name: str
    code: CardCode
    stored: tuple[int | str, ...] = ()


class Split(_Strict):
    """Who is kept back, by case; a case is a patient unless the card says otherwise.

    Args:
        validation: cases to choose a model by; ``*`` stands for anything, here and in ``test``.
        test: cases never to be trained on.
        test_share: instead of a list, the share of cases whose salted digest falls lowest; a case
            stays on its side whichever others are there.
        salt: of that digest.
        source: who made the split.
    """

    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    test_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    salt: str = ""
    source: str

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.test and self.test_share:
            raise ValueError("a split names its test cases or their share, not both")
        return self


class Baseline(_Strict):
    """A published result to compare with."""

    method: str
    metric: str
    value: float
    source: str


class Card(_Strict):
    """A data set's card.

    Args:
        name: of its folder.
        title: for people.
        what: a paragraph: what is in it, how it was made.
        good_for: what it may be used for in earnest.
        not_for: what it must not be used for.
        whence: address of its owners' page.
        doi: of the data or of the paper that describes it.
        citation: what to cite.
        licence: what is allowed.
        kind: how the images were taken.
        task: what is to be learned.
        cases: how many the whole set has.
        labels: structures, for segmentation.
        classes: the vocabulary, for classification, in the order of the stored numbers.
        downloads: the owners' files.
        layouts: the folders that ``get`` accepts.
        recipe: file beside the card, for a set that is drawn.
        split: who is kept back.
        baselines: published results.
    """

    name: str
    title: str
    what: str
    good_for: str
    not_for: str
    whence: str
    doi: str = ""
    citation: str
    licence: Licence
    kind: Literal["ct", "mr", "pet", "shape"]
    task: Literal["segmentation", "classification"]
    cases: PositiveInt
    labels: tuple[CardLabel, ...] = ()
    classes: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    layouts: tuple[Layout, ...] = ()
    recipe: str = ""
    split: Split
    baselines: tuple[Baseline, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.labels) != (self.task == "segmentation"):
            raise ValueError("a card lists labels if, and only if, the task is segmentation")
        if bool(self.classes) != (self.task == "classification"):
            raise ValueError("a card lists classes if, and only if, the task is classification")
        if bool(self.recipe) == bool(self.layouts):
            raise ValueError("a card has either a recipe or the layouts of its owners' files")
        self.table  # noqa: B018  # ids and names must be unique
        return self

    @property
    def table(self) -> Labels:
        """The labels as a table."""
        return Labels(
            tuple(
                Label(x.id, x.name, Code(x.code.value, x.code.scheme, x.code.meaning))
                for x in self.labels
            )
        )

    @property
    def folder(self) -> Path:
        """Where the card and its recipe lie."""
        return resources.folder("datasets") / self.name

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card.

        Raises:
            ValueError: naming the file and every fault in it.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise ValueError(
                f"{path.parent.name}/{path.name} is not a valid card: {error}"
            ) from None


def available() -> tuple[Card, ...]:
    """All cards, by name.

    Example:
        >>> [card.name for card in available()]
        ['adrenalmnist3d', 'chaos_mr', 'ct_phantom', 'ircadb', 'msd_hippocampus']
    """
    return tuple(Card.read(path) for path in sorted(_cards()))


def card(name: str) -> Card:
    """The card of this name.

    Raises:
        KeyError: naming the data sets there are, and the nearest to what was asked for.

    Example:
        >>> card("msd_hippocampus").table.names
        ('anterior hippocampus', 'posterior hippocampus')
    """
    paths = {path.parent.name: path for path in _cards()}
    if name not in paths:
        near = difflib.get_close_matches(name, paths, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise KeyError(
            f"there is no data set {name!r}.{hint} There are: {', '.join(sorted(paths))}"
        )
    found = Card.read(paths[name])
    if found.name != name:
        raise ValueError(f"the card in the folder {name!r} says that it is called {found.name!r}")
    return found


def _cards() -> Iterable[Path]:
    return resources.folder("datasets").glob(f"*/{CARD_FILE}")
