"""The report: one page to read, to send or to print, which needs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from medlib.figures import place, three_figures
from medlib.workspace.export.batch import Batch, Item
from medlib.workspace.export.origins import Origin
from medlib.workspace.export.sizes import MEASURES, measurable, sizes_of
from medlib.workspace.label_sets import in_words, questions_of
from medlib.workspace.landmarks import placed
from medlib.workspace.schema import Content

if TYPE_CHECKING:
    from medlib.report.markup import Html
    from medlib.types import Mask


class _Part(NamedTuple):
    mask: Mask | None
    picture: Html | None


def write_page(batch: Batch) -> None:
    """``report.html``: of each scan a picture, its measurements, who reviewed it, and its flags."""
    from medlib import __version__
    from medlib.io.files import written_whole
    from medlib.report.markup import element, page

    sections, reviewed = [], 0
    for item, part in batch.read("Report", lambda item: _read(batch, item)):
        sections.append(_section(batch, item, part))
        reviewed += item.is_reviewed
    if not sections:
        return
    title = f"Report: {batch.label_set.name}"
    every = "all" if reviewed == len(sections) else str(reviewed or "none")
    content = element(
        "main",
        element("h1", title),
        element(
            "p",
            f"{len(sections)} scan{'' if len(sections) == 1 else 's'}, {every} reviewed. "
            f"Made on {datetime.now(UTC):%d %B %Y} with medlib {__version__}. For research; "
            "not a medical device: every result is to be judged by a qualified person.",
            class_="muted",
        ),
        *sections,
    )
    with written_whole(batch.folder / "report.html") as partial:
        partial.write_text(page(title, content, style=_STYLE, script=""), encoding="utf-8")


def _read(batch: Batch, item: Item) -> _Part:
    from medlib.pictures import show
    from medlib.report.markup import picture

    mask = batch.mask(item)
    scan = batch.workspace.scans.volume(item.scan.id)
    shown = show(scan) if mask is None else show(scan, mask)
    return _Part(mask, picture(shown, f"{item.name} with its structures", dpi=80))


def _section(batch: Batch, item: Item, part: _Part) -> Html:
    from medlib.report.markup import element

    flags = _flags(batch, item)
    return element(
        "section",
        element("h2", item.name),
        element("p", f"Patient {item.patient}, study {item.study}", class_="muted"),
        element("p", *_standing(batch, item), class_="standing"),
        element("figure", part.picture or ""),
        *_sizes(item, part.mask),
        *_entries(batch, item),
        *(element("p", f"Flagged in the model's outline: {flag}", class_="flag") for flag in flags),
    )


def _standing(batch: Batch, item: Item) -> Iterator[Html | str]:
    """Who made it, and who stands behind it."""
    from medlib.report.markup import element

    main = next(content for content in Content if content in item.heads)
    version, reviews = item.heads[main], item.approvals[main]
    if reviews:
        said = ", ".join(f"{one.reviewer} on {one.made:%d %B %Y}" for one in reviews)
        yield element("strong", f"Reviewed by {said}.")
    else:
        yield element("strong", "Not reviewed.", class_="open")
    origin = str(Origin.of(batch.workspace, version))
    yield f" {origin[0].upper()}{origin[1:]}, {version.made:%d %B %Y}."


def _sizes(item: Item, mask: Mask | None) -> Iterator[Html]:
    """What was measured, as far as it is known."""
    from medlib.report.markup import Html, element

    if mask is None or not measurable(item):
        if mask is not None and not item.seen.whole:
            done = len(item.seen.slices)
            words = f"{done} slice{'' if done == 1 else 's'} of it outlined: volumes are not known."
            yield element("p", words, class_="muted")
        return
    sizes = sizes_of(mask)
    rows = [
        element(
            "tr",
            element("th", element("span", "", class_="dot", style=f"background:{label.colour}"),
                    label.name, scope="row"),
            *(element("td", _size(sizes.get((label.name, what)))) for what in MEASURES),
        )
        for label in mask.known
    ]  # fmt: skip
    units = {"volume": "ml"}
    heads = [element("th", f"{w}, {units.get(w, 'mm')}", scope="col") for w in MEASURES]
    head = element("thead", element("tr", element("td"), *heads))
    yield element("table", head, element("tbody", Html("".join(rows))))
    if missing := [label.name for label in mask.labels if label.name not in mask.known]:
        yield element("p", f"Not looked for: {', '.join(missing)}.", class_="muted")


def _size(value: float | None) -> str:
    if value is None:
        return "–"
    return "not found" if value == 0 else three_figures(value)


def _entries(batch: Batch, item: Item) -> Iterator[Html]:
    """Answers and landmarks."""
    from medlib.report.markup import Html, element

    said: list[tuple[str, str]] = []
    answers = item.heads.get(Content.ANSWERS)
    for name, question in questions_of(batch.label_set).items():
        if answers is not None and name in answers.entries:
            said.append((name, in_words(answers.entries[name], question)))
    points = item.heads.get(Content.POINTS)
    said += [(name, place(mm)) for name, mm in placed(points).items()] if points else []
    if said:
        lines = [element("dt", name) + element("dd", text) for name, text in said]
        yield element("dl", Html("".join(lines)))


def _flags(batch: Batch, item: Item) -> list[str]:
    """What is odd about what a model found last."""
    for row in batch.workspace.models.predictions(scan=item.scan.id):
        if (row.label_set_id, row.content) == (batch.label_set.id, Content.MASK):
            return [str(flag["reason"]) for flag in row.figures.get("flags", [])]
    return []


_STYLE = """
:root { color-scheme: dark }
* { box-sizing: border-box }
body { background: #15181c; color: #e8eaed; font: 16px/1.55 system-ui, sans-serif; margin: 0 }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.9rem; font-weight: 600; margin: 0 0 .4rem }
h2 { font-size: 1.3rem; font-weight: 600; margin: 3rem 0 0; border-bottom: 1px solid #3a424b;
     padding-bottom: .3rem; overflow-wrap: anywhere }
p { margin: .5rem 0 } .muted { color: #a9b1ba }
strong { color: #5fd3a8 } strong.open { color: #ffb84d }
.flag { border-left: 4px solid #e69f00; padding: .3rem .8rem; background: #24221b }
figure { margin: .8rem 0 } img { width: 100%; border-radius: 6px; background: #000; display: block }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: .38rem .6rem; border-bottom: 1px solid #2b3239 }
th:first-child { text-align: left } tbody th { font-weight: 500; overflow-wrap: anywhere }
.dot { display: inline-block; width: .8em; height: .8em; margin-right: .6em; border-radius: 2px;
       print-color-adjust: exact; -webkit-print-color-adjust: exact }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem }
dt { color: #a9b1ba } dd { margin: 0; overflow-wrap: anywhere }
@media print {
  @page { size: A4; margin: 16mm }
  :root { color-scheme: light }
  body { background: #fff; color: #000; font-size: 10.5pt }
  main { max-width: none; padding: 0 }
  section { break-inside: avoid } section + section { break-before: page }
  .muted, dt { color: #444 } strong { color: #00563b } strong.open { color: #8a4b00 }
  .flag { background: none; color: #000 }
  th, td { border-color: #bbb } h2 { border-color: #888; margin-top: 0 }
}
"""
