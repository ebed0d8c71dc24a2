"""Review: look at what models found, and accept, correct or reject it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import streamlit as st
from desk import Desk, choose_label_set, choose_scan, chosen_scan, desk
from plainly import said_plainly
from reviewing.compared import heads, rows_of
from reviewing.queue import Item, Turn, items, prior_of
from serving.layers import LAYERS, OF_LABEL, Layer
from serving.shelf import Case, Shelf
from serving.turning import upright
from training.words import table
from viewer.component import Shown, Window, viewer, windows_of
from wording import plain

from medlib.planes import focus
from medlib.types import Labels
from medlib.workspace import Decision, Entry, Seen
from medlib.workspace.schema import Version

_TURN, _ITEM, _NEXT = "review turn", "review prediction", "review next"
_SHOWN = "review shown"
_REASONS = (
    *("structure missed", "outline wrong", "sides exchanged", "wrong structure"),
    *("scan not suitable", "other"),
)
_KEYS = "The keys work while the picture is not clicked into; Tab leaves it."


def page(here: Desk) -> None:
    """The list on the left; the scan, what is odd about it, and the decision beside it."""
    if not here.may("review"):
        st.info(f"You are a {here.role}: reviewers and administrators review.")
        return
    everything = items(here)
    if not everything:
        st.info("No model has looked at a scan yet: train one, and let it predict.")
        st.page_link("pages/train.py", label="To training", icon=":material/model_training:")
        return
    with st.sidebar:
        item, after = choose(everything)
    choose_scan(item.entry.scan.id)
    choose_label_set(item.case.label_set)
    with st.sidebar:
        tell(here, item)
        if item.turn != Turn.DECIDED:
            decide(here, item, after)
        else:
            say_decisions(item)
        comments(here, item)
    other = prior_of(here.workspace, item)
    look(here, item, other)
    if item.is_mask:
        compare(here, item, other)
    else:
        table(("what", "the model says"), [(k, str(v)) for k, v in item.prediction.entries.items()])


def choose(everything: list[Item]) -> tuple[Item, int | None]:
    """The prediction to look at, and the one after it."""
    say_if_gone(everything)
    counts = Counter(item.turn for item in everything)
    turns = [turn for turn in Turn if counts[turn]]
    if st.session_state.get(_TURN) is None:  # on coming from another page
        last = chosen_scan([item.entry.scan.id for item in everything])
        of_last = {item.turn for item in everything if item.entry.scan.id == last}
        st.session_state[_TURN] = next(turn for turn in turns if turn in of_last)
    elif st.session_state[_TURN] not in turns:
        st.session_state[_TURN] = turns[0]
    turn = st.segmented_control(
        "Show", turns, key=_TURN, format_func=lambda one: f"{one} ({counts[one]})"
    )
    there = {item.prediction.id: item for item in everything if item.turn == turn}
    numbers = list(there)
    if (wanted := st.session_state.pop(_NEXT, None)) in there:
        st.session_state[_ITEM] = wanted
    if st.session_state.get(_ITEM) not in there:
        # On coming from another page, its scan; on going through the list, the next one.
        comes = st.session_state.get(_ITEM) is None
        scan = chosen_scan([item.entry.scan.id for item in there.values()]) if comes else None
        of_scan = (number for number, item in there.items() if item.entry.scan.id == scan)
        st.session_state[_ITEM] = next(of_scan, numbers[0])
    names = {number: item.entry.scan.name for number, item in there.items()}
    chosen = st.selectbox("Scan", numbers, key=_ITEM, format_func=names.__getitem__)
    place = numbers.index(chosen)
    back, on = st.columns(2)
    for column, name, key, to in ((back, "Previous", "P", place - 1), (on, "Next", "N", place + 1)):
        if column.button(
            name, shortcut=key, disabled=not 0 <= to < len(numbers), width="stretch", help=_KEYS
        ):
            st.session_state[_NEXT] = numbers[to]
            st.rerun()
    after = numbers[place + 1] if place + 1 < len(numbers) else None
    st.session_state[_SHOWN] = (chosen, turn, names[chosen])
    return there[chosen], after


def say_if_gone(everything: list[Item]) -> None:
    """Say so if what was just looked at is no longer what it was."""
    if _SHOWN in st.session_state:
        number, turn, name = st.session_state[_SHOWN]
        if (number, turn) not in {(item.prediction.id, item.turn) for item in everything}:
            st.info(
                f"Somebody decided on {plain(name)} meanwhile, or a model looked at it again. "
                "What you pressed decided nothing."
            )


def tell(here: Desk, item: Item) -> None:
    """What is odd about it, and who found it."""
    models = {model.id: model.name for model in here.workspace.models.list()}
    label_set = here.workspace.label_sets.get(item.case.label_set).name
    st.caption(plain(f"{label_set}, found by {models.get(item.prediction.model_id, 'a model')}"))
    if item.flags:  # in one box: the decision below it is to be on the screen
        st.warning("\n\n".join(plain(reason) for reason in item.flags))
    if not item.flags and item.is_mask:
        st.caption("Nothing is odd about its sizes and places. That does not make it right.")


# --- the decision ---------------------------------------------------------------------------------


def decide(here: Desk, item: Item, after: int | None) -> None:
    """Accept, correct or reject."""
    if item.turn == Turn.DISPUTED:
        st.markdown("**Two readers differ. Yours is the decision.**")
        say_decisions(item)
    elif item.is_blind:
        st.info("Somebody has decided on this. What, is shown when you have decided too.")
    number = item.prediction.id
    label = label_of(here, item)
    if item.turn == Turn.WAITING and label is not None and label.origin != "accepted":
        st.caption(f"{plain(label.author)} has labelled this. That stays the label if you accept.")
    # A key counts for what was shown when it was pressed: each prediction and turn has its own.
    shown = f"{number} {item.turn}"
    if st.button(
        "Accept", shortcut="A", type="primary", width="stretch", help=_KEYS, key=f"accept {shown}"
    ):
        settle(here, item, Decision.ACCEPT, after)
    mine = corrected(here, item)
    if mine and st.button(
        "My outline is the correction",
        shortcut="K", width="stretch", help=_KEYS, key=f"mine {shown}",
    ):  # fmt: skip
        settle(here, item, Decision.CORRECT, after, version=whole(here, item, mine).id)
    # What counts by now may be the first reader's correction: a second one does not begin with it.
    may_draw = item.is_mask and not item.is_blind
    if may_draw and st.button(
        "Correct", shortcut="E", width="stretch", help=_KEYS, key=f"correct {shown}"
    ):
        begin(here, item)
    with st.form(f"reject {shown}", border=False):
        reason = st.selectbox("Why it is rejected", _REASONS, index=None, placeholder="Choose")
        words = st.text_input("In your words", key=f"why {number}").strip()
        if st.form_submit_button("Reject", width="stretch"):
            if reason is None or (reason == "other" and not words):
                st.error("Say why: choose a reason, or write one.")
            else:
                settle(here, item, Decision.REJECT, after, reason=": ".join(filter(None, (reason, words))))  # fmt: skip


def settle(
    here: Desk,
    item: Item,
    decision: Decision,
    after: int | None,
    *,
    reason: str = "",
    version: int | None = None,
) -> None:
    """Keep a decision, and go on with the next prediction."""
    here.must("adjudicate" if item.turn == Turn.DISPUTED else "review")
    here.workspace.reviews.decide(
        item.prediction.id, decision, by=here.person, reason=reason, version=version
    )
    st.session_state[_NEXT] = after
    del st.session_state[_SHOWN]
    st.rerun()


def label_of(here: Desk, item: Item) -> Version | None:
    """The label that counts, unless it may tell a second reader what the first one decided."""
    if item.is_blind:
        return None
    return here.workspace.versions.head(
        item.case.scan, item.case.label_set, item.prediction.content
    )


def begin(here: Desk, item: Item) -> None:
    """Go to the Label page, with the model's outline where nobody has drawn one yet."""
    here.must("label")
    workspace, case = here.workspace, item.case
    if workspace.versions.head(case.scan, case.label_set) is None:
        mask = workspace.models.mask(item.prediction.id)
        workspace.versions.save_mask(
            case.scan, case.label_set, mask, base=None, by=here.person, origin="corrected"
        )
    st.session_state["label scan"] = case.scan
    st.session_state["label set"] = case.label_set
    st.switch_page("pages/label.py")


def corrected(here: Desk, item: Item) -> Version | None:
    """This person's outline, if it counts, is no older than the prediction, and unlike it."""
    if not item.is_mask:
        return None
    head = here.workspace.versions.head(item.case.scan, item.case.label_set)
    mine = head is not None and head.author == here.person and head.origin != "accepted"
    if not mine or head is None or head.made < item.prediction.made:
        return None
    return head if head.file != item.prediction.file else None


def whole(here: Desk, item: Item, version: Version) -> Version:
    """The version with the whole scan done: who corrects a prediction has looked at all of it."""
    if Seen.from_dict(version.seen).whole:
        return version
    return here.workspace.versions.save_mask(
        item.case.scan,
        item.case.label_set,
        here.workspace.versions.mask(version.id),
        base=version.id,
        by=here.person,
        seen=Seen(whole=True),
        origin="corrected",
    )


def say_decisions(item: Item) -> None:
    """Who decided what, and why."""
    words = {
        Decision.ACCEPT: "accepted",
        Decision.CORRECT: "corrected",
        Decision.REJECT: "rejected",
    }
    for review in item.reviews:
        why = f": {review.reason}" if review.reason else ""
        st.markdown(plain(f"{review.reviewer} {words[review.decision]} it{why}"))


def comments(here: Desk, item: Item) -> None:
    """What people say about the scan."""
    scan = item.entry.scan.id
    said = [] if item.is_blind else here.workspace.reviews.comments(scan)
    for one in said:
        st.caption(plain(f"{one.author}: {one.text}"))
    with st.form(f"comment {scan}", clear_on_submit=True, border=False):
        text = st.text_input("Comment").strip()
        if st.form_submit_button("Say it", width="stretch") and text:
            here.must("comment")
            here.workspace.reviews.comment(scan, text, by=here.person)
            st.rerun()


# --- what is seen ---------------------------------------------------------------------------------


def compare(here: Desk, item: Item, other: Entry | None) -> None:
    """The structures' sizes beside the label, and beside the patient's other scan."""
    label = label_of(here, item)
    beside = None
    if other is not None:
        case = Case(other.scan.id, item.case.label_set)
        beside = (case, here.shelf.newest(case))
    version = label.id if label and is_begun(label) else 0
    rows = rows_of(here.shelf, item.case, item.prediction.id, version, beside)
    table(heads(rows), [row.cells() for row in rows])
    if label and not version:
        st.caption("Nothing of the label is marked as done: it is not compared.")
    elif label and not Seen.from_dict(label.seen).whole:
        st.caption("Compared only in the slices of the label that are marked as done.")


def is_begun(label: Version) -> bool:
    """Some of it is marked as done."""
    seen = Seen.from_dict(label.seen)
    return seen.whole or bool(seen.slices)


@st.fragment
def look(here: Desk, item: Item, other: Entry | None) -> None:
    """The scan with one layer over it; the patient's other scan beside it, if wanted."""
    with said_plainly():
        layers = offered(here, item)
        chosen, beside = st.columns([3, 1], vertical_alignment="bottom")
        layer = chosen.segmented_control(
            "Over the scan", layers, default=layers[0], format_func=lambda one: LAYERS[one].title,
            key=f"review layer {item.prediction.id}",
        ) or layers[0]  # fmt: skip
        with_other = other is not None and beside.toggle("Beside the patient's other scan")
        left, right = st.columns(2) if with_other else (st.container(), None)
        with left:
            labels = LAYERS[layer].labels or here.shelf.labels(item.case)
            at = f"{item.case}/{layer}/{item.prediction.id}" if item.is_mask else str(item.case)
            version = here.shelf.newest(item.case) if layer in OF_LABEL else 0
            show(here, item.case, at, labels, "review viewer", version)
        if right is not None and other is not None:
            case = Case(other.scan.id, item.case.label_set)
            with right:
                st.caption(plain(other.scan.name))
                labels, version = here.shelf.labels(case), here.shelf.newest(case)
                show(here, case, str(case), labels, "review other", version)


def offered(here: Desk, item: Item) -> list[Layer]:
    """The layers that there are; none that shows a second reader what the first one decided."""
    if not item.is_mask:
        return [Layer.NOTHING]
    layers = [Layer.FOUND]
    if label := label_of(here, item):
        layers += [Layer.LABEL, *([Layer.DIFFERENCE] if is_begun(label) else [])]
    if item.prediction.uncertainty is not None:
        layers.append(Layer.DOUBT)
    return [*layers, Layer.NOTHING]


def show(here: Desk, case: Case, at: str, labels: Labels, key: str, version: int) -> None:
    """A viewer in which nothing can be drawn."""
    windows, units, middle = facts(here.shelf, case)
    link = here.shelf.sign(case, here.person, "view")
    viewer(
        Shown(
            case=at, link=link, version=version, labels=labels, windows=windows, units=units,
            focus=middle, readonly=True,
        ),
        key=key,
    )  # fmt: skip


@st.cache_data(show_spinner="Reading the scan …", max_entries=64)
def facts(_shelf: Shelf, case: Case) -> tuple[tuple[Window, ...], str, tuple[float, float, float]]:
    """A scan's windows and units, and where to look first in it."""
    scan = _shelf.volume(case)
    found = _shelf.predicted(case)
    mask = _shelf.found(case, found.id) if found else _shelf.drawing(case, 0).mask
    grid = upright(scan.grid)
    middle = np.rint(grid.to_index(focus(scan.grid, mask)))
    x, y, z = ((middle + 0.5) / grid.shape)[::-1].tolist()
    return windows_of(scan), scan.units if scan.units != "arbitrary" else "", (x, y, z)


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
