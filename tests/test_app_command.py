"""``medlib app`` and ``medlib people``: nothing unencrypted beyond this machine, nobody locked out."""

import shutil
import socket
import sys

import pytest
from oracles import oracle
from typer.testing import CliRunner

from medlib.cli import app
from medlib.cli.serving import Listening

oracle("sqlalchemy")
oracle("argon2")
from medlib.workspace import Role, Workspace  # noqa: E402

PASSWORD = "seven calm herons"


def typed(*words, say=""):
    return CliRunner().invoke(app, [*map(str, words)], input=say)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with Workspace(tmp_path_factory.mktemp("made") / "workspace") as workspace:
        return workspace.folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "workspace")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--address", "0.0.0.0"], "--server"),
        (["--name", "scans.example.org"], "--server"),
        (["--server"], "medlib people add NAME --role administrator"),
        (["--server", "--address", "0.0.0.0"], "--certificate and --key"),
        (["--server", "--address", "192.0.2.7"], "--behind-proxy"),
        (["--server", "--certificate", "a.pem"], "go together"),
    ],
)
def test_what_would_be_unsafe_is_refused_with_what_to_do(folder, words, remedy):
    done = typed("app", folder, "--no-browser", *words)
    assert done.exit_code == 1
    assert remedy in done.stderr


def test_a_taken_port_is_said(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = typed("app", folder, "--no-browser", "--port", taken.getsockname()[1])
    assert done.exit_code == 1
    assert "give another" in done.stderr


def test_what_is_not_installed_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "streamlit", None)
    done = typed("app", folder)
    assert done.exit_code == 1
    assert "streamlit" in done.stderr
    assert "pip install 'medlib[apps]'" in done.stderr


def test_browsers_may_call_a_server_by_its_card_and_its_names():
    listening = Listening(
        is_for_many=True, address="192.0.2.7", names=("scans.example.org",), behind_proxy=True
    )
    listening.check()
    assert listening.hosts == ("192.0.2.7", "scans.example.org")
    assert Listening(is_for_many=True, address="0.0.0.0", behind_proxy=True).hosts == ()
    assert ("server.address", "127.0.0.1") in Listening().options()


def test_the_first_account_is_an_administrators_and_no_password_is_typed_openly(folder):
    refused = typed("people", "add", "rob", "-w", folder, say=f"{PASSWORD}\n{PASSWORD}\n")
    assert refused.exit_code == 1
    assert "--role administrator" in refused.stderr
    wanted = ("--role", "administrator", "-w", folder)
    short = typed("people", "add", "ada", *wanted, say="short\nshort\n")
    assert "12 characters" in short.stderr
    done = typed("people", "add", "ada", *wanted, say=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0, done.stderr
    assert PASSWORD not in done.output
    assert typed("people", "list", "-w", folder).stdout.strip() == "ada: administrator"
    with Workspace(folder) as workspace:
        token = workspace.people.log_in("ada", PASSWORD)
        assert workspace.people.user(token).role == Role.ADMINISTRATOR
        other = "nine loud herons"
        typed("people", "password", "ada", "-w", folder, say=f"{other}\n{other}\n")
        with pytest.raises(ValueError, match="session has ended"):
            workspace.people.user(token)


def test_there_is_no_workspace_made_by_mistake(tmp_path):
    done = typed("people", "list", "-w", tmp_path / "typo")
    assert done.exit_code == 1
    assert not (tmp_path / "typo").exists()
