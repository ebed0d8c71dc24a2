"""The command line. It owns no logic: every command calls the library.

Exit codes: 0 all went well; 1 it could not be done; 2 the command was not understood; 3 it was
done, but some of the input was refused (the report says what and why).
"""

from __future__ import annotations

from typing import NoReturn

import typer

from medlib.cli import data_sets, people, workspaces
from medlib.cli.caching import cache
from medlib.cli.demonstration import demo
from medlib.cli.keeping import backup, log, restore, verify
from medlib.cli.learning import plan, train
from medlib.cli.looking import convert, inspect
from medlib.cli.predicting import predict
from medlib.cli.serving import app as serve_app

app = typer.Typer(
    help="Learn from CT, MR and PET scans what is known of them (outlines, answers, numbers, "
    "landmarks, findings), and find it in new scans.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (inspect, convert, plan, train, predict, cache, demo):
    app.command()(command)
for keeping in (log, verify, backup, restore):
    workspaces.app.command()(keeping)
app.command("app")(serve_app)
app.add_typer(data_sets.app, name="datasets")
app.add_typer(people.app, name="people")
app.add_typer(workspaces.app, name="workspace")


def main() -> NoReturn:
    """The entry point of the ``medlib`` command."""
    app()
    raise SystemExit(0)
