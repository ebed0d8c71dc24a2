"""Two people's outlines of one scan as one, where they touch none of the same voxels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medlib.workspace.errors import Conflict
from medlib.workspace.seen import Merge, Seen, in_layers

if TYPE_CHECKING:
    from torch import Tensor

    from medlib.types import Mask
    from medlib.workspace.schema import Version
    from medlib.workspace.versions import Versions


def keep_both(versions: Versions, theirs: int, mine: int, *, by: str) -> Version:
    """Save both changes as the newest version; the two stay in the history as they are.

    A slice stays done where both say so, or one does and the other changed nothing in it: nobody has
    looked at a slice of which two people drew a part each. A structure was looked for if both did.

    Args:
        versions: of the workspace.
        theirs: the version that counts, as :class:`Conflict` has it.
        mine: the version aside.
        by: who says so.

    Raises:
        Conflict: where both changed the same voxels, or somebody saved meanwhile; both are kept.
    """
    merged = versions.merge(theirs, mine)
    first, second = versions.get(theirs), versions.get(mine)
    if bool(merged.disputed.any()):
        raise Conflict(first, second)
    both = merged.mask.data
    by_them, by_me = (
        both != in_layers(versions.mask(other).data, len(both)) for other in (mine, theirs)
    )
    seen = _agreed((Seen.from_dict(first.seen), by_them), (Seen.from_dict(second.seen), by_me))
    return versions.save_mask(
        first.scan_id, first.label_set_id, _looked_for(merged, first, second),
        base=theirs, merges=mine, by=by, seen=seen, origin="merged",
    )  # fmt: skip


def _agreed(theirs: tuple[Seen, Tensor], mine: tuple[Seen, Tensor]) -> Seen:
    """What is done of the merged outline.

    Args:
        theirs: what they had finished, and which voxels of the merged outline are their change.
        mine: likewise.
    """
    (theirs_seen, their_change), (my_seen, my_change) = theirs, mine

    def holds(axis: int, index: int) -> bool:
        by_them = theirs_seen.whole or (axis, index) in theirs_seen.slices
        by_me = my_seen.whole or (axis, index) in my_seen.slices
        if by_them and by_me:
            return True
        others = my_change if by_them else their_change
        return not bool(others.select(axis + 1, index).any())

    whole = (
        (theirs_seen.whole and my_seen.whole)
        or (theirs_seen.whole and not bool(my_change.any()))
        or (my_seen.whole and not bool(their_change.any()))
    )
    slices = (theirs_seen | my_seen).slices
    return Seen(whole, tuple(one for one in slices if holds(*one)))


def _looked_for(merged: Merge, first: Version, second: Version) -> Mask:
    said = [set(one.annotated) for one in (first, second) if one.annotated is not None]
    names = tuple(n for n in merged.mask.labels.names if all(n in known for known in said))
    return replace(merged.mask, annotated=names if said else None)
