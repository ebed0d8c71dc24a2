"""Saying things: results to the output, all else to the error stream, what went wrong in a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

REFUSED = 3  # the exit code of what was done, but for some of the input


@contextmanager
def said_plainly(as_json: bool) -> Iterator[None]:
    """Turn what a user can mend into a message and exit code 1; bugs keep their traceback."""
    try:
        yield
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        if isinstance(error, ImportError) and error.name:  # Python's own words, not our advice
            raise
        message = str(error)
        if as_json:
            say({"error": message})
        typer.secho(f"medlib: {message}", err=True, fg=typer.colors.RED)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.secho("medlib: stopped", err=True)
        raise typer.Exit(130) from None


def tell(line: str) -> None:
    """Something to know on the way: to the error stream, so that output stays clean."""
    typer.echo(line, err=True)


def count(done: int, of: int, what: str) -> None:
    """How far something long has come."""
    tell(f"  {done}/{of or '?'} {what}")


def say(report: Any) -> None:
    """A result, to the output: text as it is, all else as JSON."""
    typer.echo(report if isinstance(report, str) else json.dumps(report, indent=1))
