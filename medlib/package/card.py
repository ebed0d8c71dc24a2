"""The model card: what a model is for, what it learned from, how good it is; for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medlib.package.manifest import Manifest

_LIMITS = (
    "It was measured on patients of the same source as those it learned from. Nothing says how it "
    "does with other scanners, protocols, diseases, ages or hospitals: measure it there first.",
    "It finds what it was taught, and cannot say that it does not know. What it was not taught, "
    "other findings among it, it passes over.",
    "Scans of other kinds than it was shown are refused; bad ones of the same kind are not.",
)


def card_of(manifest: Manifest) -> str:
    """The card, in Markdown. It names no patient and no scan (after Mitchell et al. 2019)."""
    blocks = [
        ["# Model card"],
        list(_about(manifest)),
        ["## Learned from", "", *_learned(manifest.training)] if manifest.training else [],
        list(_measured(manifest.metrics)),
        *([f"## {head}", "", text] for head, text in manifest.statements.items()),
        ["## Limits", "", *(f"- {limit}" for limit in _LIMITS)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def found_by(output: Mapping[str, Any]) -> list[str]:
    """The names of what an output finds."""
    if labels := output.get("labels"):
        return [str(label["name"]) for label in labels["Labels"]]
    found = output.get("names") or output.get("vocabulary") or [output.get("name", "")]
    return [str(name) for name in found]


def _about(manifest: Manifest) -> Iterator[str]:
    yield f"- Finds: {', '.join(found_by(manifest.output))}"
    yield f"- Is shown: {'; '.join(map(_shown, manifest.inputs))}"
    yield f"- Intended use: {manifest.intended_use}"
    window = "×".join(map(str, manifest.window))
    network = manifest.network.arguments.get("class", manifest.network.name)
    yield f"- Network: {network}, windows of {window} voxels"
    yield f"- Made by medlib {manifest.medlib}; weights {manifest.weights.sha256[:12]}"


def _learned(training: Mapping[str, Any]) -> Iterator[str]:
    whose = f" of {patients} patients" if (patients := training.get("patients")) else ""
    minutes = training.get("seconds", 0) / 60
    yield f"{training.get('cases')} scans{whose}, for {minutes:.1f} minutes."
    if reasons := training.get("reasons"):
        yield ""
        yield from (f"- {reason}" for reason in reasons)


def _measured(metrics: Mapping[str, Any]) -> Iterator[str]:
    tables = list(tables_of(metrics))
    if not tables:
        return
    whose = f" of {patients} patients" if (patients := metrics.get("patients")) else ""
    yield from (
        "## How good it is",
        "",
        f"On {metrics.get('cases')} scans{whose} that were kept back during training"
        + (
            " but used to choose the best moment of it, so slightly optimistic."
            if metrics.get("chosen", True)
            else "; no weights were chosen by them."
        ),
        *tables,
    )


def tables_of(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Lines of tables of what was measured, each figure with its interval; none of nothing.

    Args:
        metrics: ``overall`` figures with their ``intervals``, and ``figures`` of each part as
            :meth:`medlib.train.totals.Total.to_dict` writes them.
    """
    overall, intervals = metrics.get("overall") or {}, metrics.get("intervals") or {}
    figures = metrics.get("figures") or []
    if overall:
        rows = [(name, _figure(v) + _ends(intervals.get(name))) for name, v in overall.items()]
        yield from _table(("all cases together", ""), rows)
    names = list(dict.fromkeys(one["name"] for one in figures))
    cells = {
        (one["of"], one["name"]): _figure(one["value"]) + _ends(one["interval"]) for one in figures
    }
    if figures:
        parts = dict.fromkeys(one["of"] for one in figures)
        lines = [
            [part or "all", *(cells.get((part, name), "–") for name in names)] for part in parts
        ]
        yield from _table(("what", *names), lines)
    if any(map(_ends, [*intervals.values(), *(one["interval"] for one in figures)])):
        yield "\nIn brackets, 95 % intervals by bootstrap over patients."


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    for row in (heads, ["---"] * len(heads), *rows):
        cells = " | ".join(cell.replace("|", r"\|") for cell in row)
        yield f"| {cells} |"


def _figure(value: float | str | None) -> str:
    return "–" if value is None else f"{float(value):.3f}".replace("inf", "∞")


def _ends(ends: Sequence[float | str | None] | None) -> str:
    if ends is None or None in ends:
        return ""
    return f" ({_figure(ends[0])} to {_figure(ends[1])})"


def _shown(one: Mapping[str, Any]) -> str:
    """An input, in words."""
    sort = str(one.get("type", "")).removesuffix("Input")
    parts = [one[key] for key in ("kind", "series", "names", "vocabulary", "unit") if key in one]
    if labels := one.get("labels"):
        parts.append([label["name"] for label in labels["Labels"]])
    return f"{one.get('name', sort)} ({', '.join([sort, *map(_words, parts)])})"


def _words(part: Any) -> str:
    if isinstance(part, dict):
        return str(part.get("Kind"))
    return " ".join(map(_words, part)) if isinstance(part, list | tuple) else str(part)
