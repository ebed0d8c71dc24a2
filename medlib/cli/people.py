"""Accounts, from the terminal of whoever may write to the workspace's folder."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medlib.cli.arguments import Json
from medlib.cli.saying import said_plainly, say

if TYPE_CHECKING:
    from medlib.workspace import Workspace

app = typer.Typer(help="Accounts of a workspace.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--workspace", "-w", help="The workspace's folder.")]
Address = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="MEDLIB_DATABASE",
        help="Where its tables are on a PostgreSQL server: postgresql://host/database.",
    ),
]
USUAL = Path("medlib-workspace")


class RoleSaid(StrEnum):
    """What somebody is there for, as typed."""

    READER = "reader"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What the person is called, here and in the log.")],
    role: Annotated[RoleSaid, typer.Option(help="What the person may do.")] = RoleSaid.READER,
    subject: Annotated[
        str,
        typer.Option(help="With an OpenID provider: its issuer and what it calls the person."),
    ] = "",
    workspace: Folder = USUAL,
    database: Address = "",
) -> None:
    """Give a person an account; the password is asked for. The first is an administrator's."""
    with said_plainly(as_json=False), opened(workspace, database) as it:
        from medlib.workspace import Role

        if not it.people.list() and role != RoleSaid.ADMINISTRATOR:
            raise ValueError("the first account manages the others: --role administrator")
        password = "" if subject else _asked_twice()
        it.people.add(name, Role(role), by=getpass.getuser(), password=password, subject=subject)
        say(f"{name} is {role} of {it.folder}")


@app.command("password")
def password(
    name: Annotated[str, typer.Argument(help="Whose.")],
    workspace: Folder = USUAL,
    database: Address = "",
) -> None:
    """Give a person a new password; all sessions of the person end."""
    with said_plainly(as_json=False), opened(workspace, database) as it:
        it.people.change(name, by=getpass.getuser(), password=_asked_twice())
        say(f"{name} has a new password")


@app.command("list")
def show(workspace: Folder = USUAL, database: Address = "", as_json: Json = False) -> None:
    """Say who has an account."""
    with said_plainly(as_json), opened(workspace, database) as it:
        users = [
            {"name": user.name, "role": str(user.role), "active": user.active}
            for user in it.people.list()
        ]
        lines = [
            f"{u['name']}: {u['role']}{'' if u['active'] else ', let in no more'}" for u in users
        ]
        say({"people": users} if as_json else "\n".join(lines) or "nobody has an account")


@contextmanager
def opened(folder: Path, database: str) -> Iterator[Workspace]:
    """A workspace that there is."""
    if not (folder / "workspace.json").exists():
        raise FileNotFoundError(f"there is no workspace at {folder}: name one with --workspace")
    from medlib.workspace import Workspace

    with Workspace(folder, database) as it:
        yield it


def _asked_twice() -> str:
    said: str = typer.prompt(
        "Password (at least 12 characters)", hide_input=True, confirmation_prompt=True
    )
    return said
