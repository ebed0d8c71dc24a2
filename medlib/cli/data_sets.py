"""Data sets to learn and try with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medlib.cli.arguments import Json
from medlib.cli.saying import count, said_plainly, say

app = typer.Typer(help="Data sets to learn and try with.", no_args_is_help=True)


def _known(name: str) -> str:
    """The name of a data set that there is."""
    from medlib import datasets

    try:
        datasets.card(name)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from None
    return name


@app.command("list")
def list_datasets(as_json: Json = False) -> None:
    """Say which data sets there are."""
    from medlib import datasets

    with said_plainly(as_json):
        cards = datasets.available()
        say(
            [card.model_dump(mode="json") for card in cards]
            if as_json
            else "\n".join(f"{card.name:16} {card.title} ({card.licence.spdx})" for card in cards)
        )


@app.command("get")
def get_dataset(
    name: Annotated[
        str, typer.Argument(help="A name from `medlib datasets list`.", callback=_known)
    ],
    source: Annotated[
        Path | None, typer.Option("--from", help="A local copy, instead of a download.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Where to put it.")] = None,
) -> None:
    """Fetch a data set, check it, and lay it out as scans and labels."""
    from medlib import datasets

    with said_plainly(as_json=False):
        say(str(datasets.get(name, to=to, source=source, progress=count)))


@app.command("make")
def make_dataset(
    name: Annotated[
        str, typer.Argument(help="A data set with a recipe, such as ct_phantom.", callback=_known)
    ],
    to: Annotated[Path | None, typer.Option(help="Where to put it.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same.")] = 0,
) -> None:
    """Make a made-up data set from its recipe."""
    from medlib import datasets

    with said_plainly(as_json=False):
        say(str(datasets.make(name, to=to, seed=seed, progress=count)))
