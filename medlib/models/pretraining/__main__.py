"""Pretrain a backbone: ``python -m medlib.models.pretraining CONFIGURATION --out FOLDER --minutes N``.

CONFIGURATION is a TOML file, or the name of one that comes with the library: ``small``, ``v1``. Run
again, with the same configuration and folder, it goes on where it stood. Ctrl-C ends it after the
step at hand.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from medlib.models.pretraining.configuration import Configuration
from medlib.models.pretraining.recipe import pretrain


def main() -> None:
    """Train for so many minutes."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="python -m medlib.models.pretraining", description=__doc__.splitlines()[0]
    )
    parser.add_argument("configuration", help="a TOML file; or small, or v1")
    parser.add_argument("--out", type=Path, required=True, help="folder for all that is written")
    parser.add_argument("--minutes", type=float, help="that this piece may take")
    parser.add_argument("--steps", type=int, help="after how many, from the first, to stop")
    parser.add_argument("--seconds", type=float, default=120.0, help="between two checkpoints")
    parser.add_argument("--workers", type=int, default=0, help="processes that make volumes")
    given = parser.parse_args()
    pretrain(
        Configuration.load(given.configuration),
        given.out,
        minutes=given.minutes,
        steps=given.steps,
        seconds=given.seconds,
        workers=given.workers,
        started=started,
        progress=lambda line: print(line, flush=True),  # noqa: T201 (it is a command)
    )


if __name__ == "__main__":
    main()
