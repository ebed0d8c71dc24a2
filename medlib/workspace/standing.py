"""Standing: what decisions come to, on a prediction that became a label and on a label itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.events import canonical
from medlib.workspace.schema import Content, Decision, Prediction, Review, Version
from medlib.workspace.seen import Seen

_ADJUDICATION = 3


class Standing(StrEnum):
    """How far the review of a prediction has come."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"
    DISPUTED = "disputed"


_OUTCOME = {
    Decision.ACCEPT: Standing.ACCEPTED,
    Decision.CORRECT: Standing.CORRECTED,
    Decision.REJECT: Standing.REJECTED,
}
_SENT_BACK = (
    select(Version)
    .join(Review, Review.version_id == Version.id)
    .where(Review.prediction_id.is_(None), Review.decision == Decision.REJECT)
)


def standing(reviews: Sequence[Review]) -> Standing:
    """What decisions on one prediction, or on one label, come to."""
    if not reviews:
        return Standing.WAITING
    if len(reviews) >= _ADJUDICATION or len({review.decision for review in reviews}) == 1:
        return _OUTCOME[reviews[-1].decision]
    return Standing.DISPUTED


def decided_on(session: Session, versions: Collection[int]) -> list[list[Review]]:
    """The decisions, in order, on each prediction that versions came of, and on each as a label."""
    came_of = select(Review.prediction_id).where(
        Review.version_id.in_(versions), Review.prediction_id.is_not(None)
    )
    as_label = Review.prediction_id.is_(None) & Review.version_id.in_(versions)
    query = select(Review).where(Review.prediction_id.in_(came_of) | as_label)
    found: dict[tuple[int | None, int | None], list[Review]] = {}
    for review in session.scalars(query.order_by(Review.id)):
        label = review.version_id if review.prediction_id is None else None
        found.setdefault((review.prediction_id, label), []).append(review)
    return [*found.values()]


def weighed(
    session: Session, versions: Collection[int]
) -> tuple[dict[int, list[Review]], set[int]]:
    """The decisions that stand behind each version, and the versions that nothing is learned from.

    Nobody stands behind that on which readers differ; nor is it learned from, nor is what was sent
    back: also when it was saved again as it was, unless a reviewer then stands behind it. Nor does
    anybody stand behind answers or landmarks of which but a part came of what was decided on.
    """
    behind: dict[int, list[Review]] = {version: [] for version in versions}
    disputed: set[int] = set()
    for reviews in decided_on(session, versions):
        stands = standing(reviews)
        for review in reviews:
            if review.version_id not in behind:
                continue
            if stands == Standing.DISPUTED:
                disputed.add(review.version_id)
            elif _OUTCOME[review.decision] == stands != Standing.REJECTED:
                behind[review.version_id].append(review)
    behind |= _piecewise(session, behind)
    for version, reviews in behind.items():  # in the order in which was decided
        reviews.sort(key=lambda review: review.id)
        if version in disputed:
            reviews.clear()
    unmended = {version for version in _unmended(session, versions) if not behind[version]}
    return behind, disputed | unmended


def decided(session: Session, versions: Collection[int]) -> set[int]:
    """Those of the versions that somebody stands behind or sent back, or on which readers differ."""
    behind, _ = weighed(session, versions)
    ended = {
        review.version_id
        for reviews in decided_on(session, versions)
        for review in reviews
        if review.prediction_id is None or standing(reviews) == Standing.DISPUTED
    }
    return {version for version in versions if behind[version] or version in ended}


def is_sent_back(session: Session, version: int) -> bool:
    """Whether a reviewer sent this label back."""
    return session.scalars(_SENT_BACK.where(Version.id == version)).first() is not None


def _piecewise(session: Session, behind: Mapping[int, Sequence[Review]]) -> dict[int, list[Review]]:
    """Who stands behind answers and landmarks that came of predictions: nobody, unless all were decided on.

    A model answers one question of several. Whoever accepts that has not looked at the others; they
    may have been accepted one by one.
    """
    of_models = [
        version
        for version, reviews in behind.items()
        if reviews and all(review.prediction_id is not None for review in reviews)
    ]
    query = select(Version).where(Version.id.in_(of_models), Version.content != Content.MASK)
    rows = [*session.scalars(query)]
    said = _decided_pieces(session, {row.scan_id for row in rows}) if rows else {}
    found = {}
    for row in rows:
        line = (row.scan_id, row.label_set_id, row.content)
        whose = [said.get((*line, canonical(piece)), []) for piece in row.entries.items()]
        known = {review.id: review for reviews in whose for review in reviews}
        found[row.id] = [*known.values()] if all(whose) else []
    return found


def _decided_pieces(session: Session, scans: Collection[int]) -> dict[Any, list[Review]]:
    """Each answer and landmark that decisions on predictions stand behind, and these decisions."""
    query = select(Review, Prediction).join(Prediction, Review.prediction_id == Prediction.id)
    query = query.where(Prediction.scan_id.in_(scans), Prediction.content != Content.MASK)
    decisions: dict[int, tuple[Prediction, list[Review]]] = {}
    for review, prediction in session.execute(query.order_by(Review.id)):
        decisions.setdefault(prediction.id, (prediction, []))[1].append(review)
    found: dict[Any, list[Review]] = {}
    for prediction, reviews in decisions.values():
        line = (prediction.scan_id, prediction.label_set_id, prediction.content)
        stands = standing(reviews)
        for review in reviews:
            if stands in {Standing.REJECTED, Standing.DISPUTED}:
                continue
            if _OUTCOME[review.decision] != stands or review.version_id is None:
                continue
            entries = prediction.entries
            if stands == Standing.CORRECTED:
                entries = session.get_one(Version, review.version_id).entries
            for name in prediction.entries:
                if name in entries:
                    piece = canonical((name, entries[name]))
                    found.setdefault((*line, piece), []).append(review)
    return found


def _unmended(session: Session, versions: Collection[int]) -> set[int]:
    """Those of the versions that say just what a label said that was sent back."""
    refused = {_what(version) for version in session.scalars(_SENT_BACK)}
    if not refused:
        return set()
    rows = session.scalars(select(Version).where(Version.id.in_(versions)))
    return {version.id for version in rows if _what(version) in refused}


def _what(version: Version) -> tuple[object, ...]:
    """Of what it is said, and what."""
    seen = Seen.from_dict(version.seen)
    said = [version.file, version.entries, version.annotated, seen.whole or seen.slices]
    return (version.scan_id, version.label_set_id, version.content, canonical(said))
