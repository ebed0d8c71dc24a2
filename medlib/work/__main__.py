"""``python -m medlib.work WORKSPACE``: see :mod:`medlib.work`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from medlib.work.worker import Worker


def main() -> None:
    """Work until somebody says that it is enough."""
    parser = argparse.ArgumentParser(
        prog="python -m medlib.work", description="Do a workspace's jobs, one after another."
    )
    parser.add_argument("workspace", type=Path)
    parser.add_argument(
        "--database",
        default=os.environ.get("MEDLIB_DATABASE", ""),
        help="URL of the tables, where they are on a server; better given as MEDLIB_DATABASE, "
        "since other users of a machine see what is on a command line",
    )
    parser.add_argument("--device", default="", help='"cpu", "cuda:0", …')
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input is closed"
    )
    said = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    worker = Worker(said.workspace.expanduser(), said.database, device=said.device)

    def end(number: int, frame: FrameType | None) -> None:
        worker.end()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    if said.with_parent:
        threading.Thread(target=_end_with_parent, args=(worker,), daemon=True).start()
    worker.run()


def _end_with_parent(worker: Worker) -> None:
    sys.stdin.read()
    worker.end()


if __name__ == "__main__":
    main()
