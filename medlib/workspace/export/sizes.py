"""How large structures are, where that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medlib.workspace.export.batch import Item

if TYPE_CHECKING:
    from medlib.types import Mask

MEASURES = ("volume", "largest diameter", "long axis", "short axis")
"""What is measured: millilitres, then millimetres; see :func:`medlib.types.measure`."""


def measurable(item: Item) -> bool:
    """Whether sizes can be said: of scans that were outlined whole, and are no projections."""
    return item.seen.whole and item.scan.kind != "Radiograph"


def sizes_of(mask: Mask) -> dict[tuple[str, str], float]:
    """Sizes by structure and measure; of what was looked for and is not there, a volume of 0."""
    from medlib.types import measure

    found = {one.name: one.value for one in measure(mask)}
    sizes = {(name, "volume"): ml for name, ml in mask.volumes_ml().items()}
    for label in mask.known:
        for what in MEASURES[1:]:
            if f"{label.name} {what}" in found:
                sizes[label.name, what] = found[f"{label.name} {what}"]
    return sizes
