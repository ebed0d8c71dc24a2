"""What values call their parts, and left and right among the names.

Mirroring a patient turns a left kidney into a right one. These verbs say which names are sided
and exchange them, so that a mirrored value says what it shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch

from medlib.types.answers import Belief, Categories, Category, Measurement
from medlib.types.dispatch import verb
from medlib.types.gridded import Kind, MultiVolume, Reference, Volume
from medlib.types.ids import looked_up
from medlib.types.labels import Labels
from medlib.types.masks import Mask, Probabilities
from medlib.types.shapes import Boxes, Contours, PointCloud, Points

Pairs = Sequence[tuple[str, str]]

_LEFT = {"left", "l", "lt", "sin"}
_RIGHT = {"right", "r", "rt", "dex"}
_LATIN = (("sinist", "left"), ("dext", "right"))  # whatever the ending

# Where left and right are not mirror images but different things that are called so: a mirrored
# left ventricle is no right one. Each row is of words that must all occur.
_UNLIKE = (
    *({"heart"}, {"atrium"}, {"atrial"}, {"auricle"}, {"auricular"}, {"coronary"}),
    *({"bundle", "branch"}, {"lung", "lobe"}, {"pulmonary", "lobe"}, {"main", "bronchus"}),
    *({"liver"}, {"hepatic"}, {"portal"}, {"gastric"}, {"gastroepiploic"}, {"colon"}, {"colic"}),
    *({"hemicolon"}, {"brachiocephalic"}),
)


@verb
def names_of(value: Kind) -> tuple[str, ...]:
    """What a value calls its parts, or could have been called itself: labels, points, answers.

    Example:
        >>> names_of(Points([[0, 0, 0]], names=("eye_left",)))
        ('eye_left',)
    """
    raise AssertionError


@names_of.register
def _(value: Volume | PointCloud) -> tuple[str, ...]:
    return ()


@names_of.register
def _(value: Reference) -> tuple[str, ...]:
    return tuple(names_of(value.scan))


@names_of.register
def _(value: Mask | Probabilities | Boxes | Contours) -> tuple[str, ...]:
    return value.labels.names


@names_of.register
def _(value: MultiVolume | Points) -> tuple[str, ...]:
    return value.names


@names_of.register
def _(value: Category | Categories | Belief) -> tuple[str, ...]:
    return value.vocabulary


@names_of.register
def _(value: Measurement) -> tuple[str, ...]:
    return (value.name,) if value.name else ()


@verb
def swap_sides(value: Kind, pairs: Pairs) -> Kind:
    """The value with the two names of each pair exchanged, as is due once it was mirrored.

    Label tables and vocabularies stay as they are, since a model counts on them: ids, channels
    and answers are exchanged. Points are renamed, and volumes, which name nothing, are as they
    were. Pairs that concern other values do nothing. Twice is as it was.

    Args:
        value: a value of any kind.
        pairs: pairs of names, such as :func:`sided_pairs` finds.

    Raises:
        ValueError: when a table or vocabulary has one name of a pair, and lacks the other.

    Example:
        >>> swap_sides(Points([[0, 0, 0]], names=("eye_left",)), [("eye_left", "eye_right")]).names
        ('eye_right',)
    """
    raise AssertionError


@swap_sides.register
def _(value: Volume | PointCloud, pairs: Any) -> Kind:
    return value


@swap_sides.register
def _(value: Reference, pairs: Any) -> Reference:
    return replace(value, scan=swap_sides(value.scan, pairs))


@swap_sides.register
def _(value: Mask, pairs: Any) -> Mask:
    partners = _id_partners(value.labels, pairs)
    if not partners:
        return value
    table = torch.arange(65536)
    table[list(partners)] = torch.tensor(list(partners.values()))
    names = _partners(value.labels.names, pairs)
    annotated = value.annotated and tuple(names.get(n, n) for n in value.annotated)
    return replace(value, data=looked_up(value.data, table), annotated=annotated)


@swap_sides.register
def _(value: Probabilities, pairs: Any) -> Probabilities:
    partners = _partners(value.labels.names, pairs)
    order = [1 + value.labels.names.index(partners.get(n, n)) for n in value.labels.names]
    return replace(value, data=value.data[[0, *order]]) if partners else value


@swap_sides.register
def _(value: Boxes | Contours, pairs: Any) -> Boxes | Contours:
    partners = _id_partners(value.labels, pairs)
    return replace(value, ids=tuple(partners.get(i, i) for i in value.ids))


@swap_sides.register
def _(value: Points, pairs: Any) -> Points:
    partners = _exchanged(pairs)
    return replace(value, names=tuple(partners.get(n, n) for n in value.names))


@swap_sides.register
def _(value: MultiVolume, pairs: Any) -> MultiVolume:
    partners = _partners(value.names, pairs)
    return replace(value, parts=tuple(value[partners.get(n, n)] for n in value.names))


@swap_sides.register
def _(value: Category, pairs: Any) -> Category:
    partners = _partners(value.vocabulary, pairs)
    return replace(value, name=partners.get(value.name, value.name))


@swap_sides.register
def _(value: Belief, pairs: Any) -> Belief:
    partners = _partners(value.vocabulary, pairs)
    share = dict(zip(value.vocabulary, value.shares, strict=True))
    return replace(value, shares=tuple(share[partners.get(n, n)] for n in value.vocabulary))


@swap_sides.register
def _(value: Categories, pairs: Any) -> Categories:
    partners = _partners(value.vocabulary, pairs)
    names, unknown = (
        tuple(partners.get(n, n) for n in said) for said in (value.names, value.unknown)
    )
    return replace(value, names=names, unknown=unknown)


@swap_sides.register
def _(value: Measurement, pairs: Any) -> Measurement:
    return replace(value, name=_exchanged(pairs).get(value.name, value.name))


def sided_names(names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that say left or right.

    Example:
        >>> sided_names(["liver", "kidney_left", "RightKidney", "femur-L", "vertebra L1"])
        ('kidney_left', 'RightKidney', 'femur-L')
    """
    return tuple(name for name in names if _parted(name)[1])


def sided_pairs(names: Iterable[str]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The left and right names that are each other's mirror image, and the sided ones left over.

    Left over are names without a partner, or with several, and those whose left and right are
    different things: the chambers of the heart, the lobes of the lungs and the liver, vessels
    that are named by what they supply. Mirroring cannot make one of these into the other.

    Args:
        names: of labels, points or answers; each once, whatever their order.

    Returns:
        Pairs (left, right), and the names that say a side but are in no pair.

    Example:
        >>> sided_pairs(["Left Kidney", "liver", "Right Kidney", "eye_left", "left ventricle",
        ...              "right ventricle"])
        ((('Left Kidney', 'Right Kidney'),), ('eye_left', 'left ventricle', 'right ventricle'))
    """
    unique = tuple(dict.fromkeys(names))
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for name in unique:
        alike.setdefault(_parted(name), []).append(name)
    pairs: list[tuple[str, str]] = []
    for (words, sides), (first, *more) in alike.items():
        partners = alike.get((words, tuple(_OTHER[side] for side in sides)), [])
        alone = len(partners) == 1 and not more
        if sides[:1] == ("left",) and alone and _mirrors(words):
            pairs.append((first, partners[0]))
    paired = {name for pair in pairs for name in pair}
    return tuple(pairs), tuple(n for n in sided_names(unique) if n not in paired)


_OTHER = {"left": "right", "right": "left"}


def _parted(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a name that say no side, and the sides it says, each in order."""
    words = _words(name)
    said = [_side(word) for word in words]
    rest = tuple(word for word, side in zip(words, said, strict=True) if side is None)
    return rest, tuple(side for side in said if side)


def _side(word: str) -> str | None:
    if word in _LEFT:
        return "left"
    if word in _RIGHT:
        return "right"
    return next((side for start, side in _LATIN if word.startswith(start)), None)


def _words(name: str) -> list[str]:
    """Words in lower case; one begins at a capital after a small letter, too."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W\d_]{3,}|[^\W_]+", apart.lower())  # left2 is left; L1 is no side


def _mirrors(words: tuple[str, ...]) -> bool:
    """Whether the mirror image of the left one is the right one."""
    of_the_heart = any(w.startswith("ventric") for w in words) and "lateral" not in words
    return not of_the_heart and not any(row <= set(words) for row in _UNLIKE)


def _exchanged(pairs: Pairs) -> dict[str, str]:
    """Each name's partner.

    Raises:
        ValueError: when a name has two.
    """
    both = [*pairs, *((b, a) for a, b in pairs)]
    partners = dict(both)
    if len(partners) < len(both):
        raise ValueError(f"a name can be exchanged with one other only, in {list(pairs)}")
    return partners


def _partners(names: Sequence[str], pairs: Pairs) -> dict[str, str]:
    """Each name's partner, among the names there are."""
    found = {name: other for name, other in _exchanged(pairs).items() if name in names}
    for name, other in found.items():
        if other not in found:
            raise ValueError(
                f"{name} cannot become {other}: there is no {other} among {', '.join(names)}"
            )
    return found


def _id_partners(labels: Labels, pairs: Pairs) -> dict[int, int]:
    found = _partners(labels.names, pairs)
    return {labels[name].id: labels[other].id for name, other in found.items()}
