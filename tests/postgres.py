"""A PostgreSQL server of one's own, for as long as it is needed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(program: Callable[[str], Path]) -> Iterator[Callable[[], str]]:
    """Gives a function whose every answer is the address of a new, empty database.

    Args:
        program: where ``pg_ctl`` is, if it does not lie where Debian puts it.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    programs = (debian[-1] if debian else program("pg_ctl")).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path has at most 107 characters
    # The server does not run as root: there it is somebody else's, as Debian makes him.
    other = {"user": "postgres", "group": "postgres", "extra_groups": []}
    whose = other if os.geteuid() == 0 else {}
    if whose:
        shutil.chown(folder, "postgres", "postgres")

    def run(name: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / name, *arguments], check=False, capture_output=True, text=True,
            cwd=folder, **whose,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c timezone=Asia/Kolkata -F"
    run("pg_ctl", "-D", data, "-l", str(folder / "log"), "-o", options, "-w", "start")
    numbers = iter(range(1_000_000))

    def address() -> str:
        import psycopg

        name = f"workspace_{next(numbers)}"
        with psycopg.connect(f"host={folder} user=tester dbname=postgres", autocommit=True) as link:
            link.execute(f"CREATE DATABASE {name}")
        return f"postgresql://tester@/{name}?host={folder}"

    try:
        yield address
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)
