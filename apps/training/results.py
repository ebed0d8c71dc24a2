"""How good models are, by structure and by case, and beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st
from wording import plain

from medlib.work import Predicting, ask, seen_by, waiting
from training.data import open_row
from training.live import show
from training.words import figure, measure_of, table, within

if TYPE_CHECKING:
    from desk import Desk

    from medlib.workspace.schema import LabelSet, Model

_FEW = 10
_WORST = 8


def say(here: Desk, label_set: LabelSet, model: Model) -> None:
    """The figures of a model, then its cases, the worst first."""
    card = model.card
    counts = card["patients"]
    begun = f" It began with {plain(card['begun with'])}." if card.get("begun with") else ""
    st.caption(
        f"It learned from {len(card['learned from'])} scans of {counts['learned from']} patients, for "
        f"{card['seconds'] / 60:.1f} minutes.{begun}"
    )
    if not card["measured on"]:
        st.warning(
            "**Nothing says how good it is**: there were too few patients to keep any back, or what it "
            "began with knew them all. Look at what it finds in other scans before you trust it."
        )
    else:
        say_figures(card)
        say_cases(here, label_set, card)
    say_found(here, label_set, model)
    if model.job_id is not None:
        with st.expander("How it learned"):
            show(here, here.workspace.jobs.get(model.job_id))


def say_figures(card: Mapping[str, Any]) -> None:
    """By structure, with intervals."""
    st.markdown(f"**{plain(measure_of(card['measure']).capitalize())}**")
    rows = [
        (name, within(value, card["intervals"].get(name))) for name, value in card["labels"].items()
    ]
    table(("what", "mean, and where it would lie with other patients"), rows)
    for name, value in card["overall"].items():
        if value is not None:
            st.markdown(f"{plain(measure_of(name).capitalize())}: **{figure(value)}**")
    patients = card["patients"]["measured on"]
    few = f" {patients} are few: the true figure may lie outside." if patients < _FEW else ""
    st.caption(
        f"Measured on {len(card['measured on'])} scans of {patients} "
        f"{'patient' if patients == 1 else 'patients'} that it did not learn from. They chose the best "
        f"moment of the training, so the figures are a little too good.{few}"
    )


def say_cases(here: Desk, label_set: LabelSet, card: Mapping[str, Any]) -> None:
    """Each case that was measured, the worst first."""
    names = {entry.scan.id: entry.scan.name for entry in here.workspace.scans.list()}
    st.markdown("**Case by case, the worst first**")
    for scan, row in worst_first(card)[:_WORST]:
        said = ", ".join(f"{name} {figure(value)}" for name, value in row.items())
        open_row(here, label_set, scan, f"{names.get(scan, scan)}: {said}", f"case {scan}")
    if len(card["cases"]) > _WORST:
        st.caption(f"{len(card['cases']) - _WORST} more are better than these.")


def worst_first(card: Mapping[str, Any]) -> list[tuple[int, Mapping[str, float | None]]]:
    """Scans and their figures, the worst mean first.

    Example:
        >>> cases = {"1": {"liver": 0.9}, "2": {"liver": 0.5}, "3": {"liver": None}}
        >>> [scan for scan, _ in worst_first({"errors": False, "cases": cases})]
        [2, 1, 3]
    """

    def badness(row: Mapping[str, float | None]) -> tuple[bool, float]:
        known = [value for value in row.values() if value is not None]
        mean = sum(known) / len(known) if known else 0.0
        return not known, -mean if card["errors"] else mean

    ranked = sorted(card["cases"].items(), key=lambda pair: badness(pair[1]))
    return [(int(scan), row) for scan, row in ranked]


def say_found(here: Desk, label_set: LabelSet, model: Model) -> None:
    """What it has found in scans that are not labelled whole, with what is odd about it."""
    newest: dict[int, Any] = {}
    for row in here.workspace.models.predictions(model=model.id):
        newest.setdefault(row.scan_id, row)
    rest = len(waiting(here.workspace, model))
    st.markdown(
        f"**Scans that are not labelled whole**: it has looked at {len(newest)}, {rest} to go"
    )
    st.caption(
        "Where single slices are done, what it doubts says which slice is worth most next (J on the "
        "Label page). What was drawn stays as it is."
    )
    if rest and here.may("predict") and st.button("Look at the rest", key=f"train rest {model.id}"):
        here.must("predict")
        ask(here.workspace, Predicting(model.id), by=here.person)
        st.rerun()
    names = {entry.scan.id: entry.scan.name for entry in here.workspace.scans.list()}
    flagged = [row for row in newest.values() if row.figures.get("flags")]
    for row in flagged[:_WORST]:
        said = "; ".join(flag["reason"] for flag in row.figures["flags"])
        words = f"{names.get(row.scan_id, row.scan_id)}: {said}"
        open_row(here, label_set, row.scan_id, words, f"flag {row.id}")


def compare(models: Sequence[Model]) -> None:
    """Models beside one another, if they were measured on the same scans; else that they were not."""
    chosen = st.multiselect(
        "Beside one another",
        models,
        default=models[:2],
        format_func=lambda model: model.name,
        key="train compared",
    )
    if len(chosen) < 2:
        return
    measured = [set(model.card["measured on"]) for model in chosen]
    asked = {(model.card["measure"], str(model.card["asked"])) for model in chosen}
    if len(asked) > 1:
        st.warning("They were asked different things, so their figures cannot be compared.")
        return
    shared = set.intersection(*measured)
    if not shared:
        st.warning("No scan was kept back from all of them, so nothing can be compared.")
        return
    if any(one != shared for one in measured):
        st.info(
            f"They were measured on different scans. What is compared are the {len(shared)} that "
            "all of them kept back."
        )
    learned = [model for model in chosen if shared & {*seen_by(model.card)}]
    assert not learned, "a scan cannot be kept back and learned from"
    parts = dict.fromkeys(part for model in chosen for part in model.card["labels"])
    rows = [
        (part, *(figure(_mean(model.card, shared, part)) for model in chosen)) for part in parts
    ]
    table((measure_of(chosen[0].card["measure"]), *(model.name for model in chosen)), rows)


def _mean(card: Mapping[str, Any], scans: set[int], part: str) -> float | None:
    values = [card["cases"][str(scan)].get(part) for scan in scans if str(scan) in card["cases"]]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
