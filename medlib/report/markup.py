"""HTML that cannot be broken by what it is made of: text is escaped, unless it is markup already."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Html(str):
    """Markup; any other text is escaped where it is put into markup."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str) -> Html:
    """An element; an underscore in an attribute's name stands for a hyphen, none at its end.

    Example:
        >>> element("p", "R < L", element("b", "!"), class_="warning")
        '<p class="warning">R &lt; L<b>!</b></p>'
    """
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    said = "".join(f' {key}="{escape(value)}"' for key, value in named.items())
    inner = "".join(part if isinstance(part, Html) else escape(part) for part in content)
    return Html(f"<{name}{said}>{inner}</{name}>")


def picture(figure: Figure, alt: str, *, dpi: int = 110) -> Html:
    """A figure, written into the page."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    source = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    return Html(f'<img alt="{escape(alt)}" src="{source}">')


def page(title: str, *content: str, style: str, script: str) -> str:
    """A whole page that needs no other file, and may not ask for one.

    Its policy forbids the network, and every script but the one given.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", title),
        element("style", Html(style)),
    )
    body = element("body", *content, element("script", Html(script)))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def section(heading: str, *content: Html) -> Html:
    """A part of a page under its heading."""
    return element("section", element("h2", heading), *content)


def muted(text: str) -> Html:
    """A paragraph that explains."""
    return element("p", text, class_="muted")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, sortable: bool = False) -> Html:
    """A table, whose first column names its rows.

    Args:
        heads: of the columns.
        rows: of cells.
        sortable: whether its headings can be pressed.
    """
    titles = [
        element("th", element("button", head, type="button") if sortable else head, scope="col")
        for head in heads
    ]
    lines = [
        element(
            "tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])
        )
        for row in rows
    ]
    whole = element(
        "table",
        element("thead", element("tr", *titles)),
        element("tbody", *lines),
        **({"class_": "sortable"} if sortable else {}),
    )
    return element("div", whole, class_="wide", tabindex="0", role="group", aria_label="table")
