"""The whole way on made-up scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medlib.cli.saying import said_plainly, say, tell


def demo(
    out: Annotated[Path, typer.Option(help="Where to put everything.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to train.")] = 2.5,
    seed: Annotated[int, typer.Option(help="Of the made-up scans and of the training.")] = 0,
) -> None:
    """The whole way on made-up scans: make, train, predict, measure, look."""
    from medlib.demo import run

    with said_plainly(as_json=False):
        say(str(run(out, minutes=minutes, seed=seed, say=tell)))
