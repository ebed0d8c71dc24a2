"""Standing: what decisions come to, on a prediction that became a label and on a label itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.events import canonical
from medlib.workspace.schema import Decision, Review, Version
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
    back: also when it was saved again as it was, unless a reviewer then stands behind it.
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
    for version, reviews in behind.items():  # in the order in which was decided
        reviews.sort(key=lambda review: review.id)
        if version in disputed:
            reviews.clear()
    unmended = {version for version in _unmended(session, versions) if not behind[version]}
    return behind, disputed | unmended


def is_sent_back(session: Session, version: int) -> bool:
    """Whether a reviewer sent this label back."""
    return session.scalars(_SENT_BACK.where(Version.id == version)).first() is not None


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
