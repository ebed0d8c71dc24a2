"""Prepared scans that are kept between trainings."""

from __future__ import annotations

from typing import Annotated

import typer

from medlib.cli.arguments import Json
from medlib.cli.saying import said_plainly, say


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all of it; the next training makes it anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say where prepared scans are kept between trainings, and how large they are; remove them."""
    with said_plainly(as_json):
        from medlib.data import Store
        from medlib.data.caching import cache_folder

        folder = cache_folder()
        if folder is None or not folder.is_dir():
            where = "MEDLIB_CACHE is off" if folder is None else f"there is nothing in {folder}"
            say({"folder": None, "bytes": 0} if as_json else f"{where}: no scans are kept")
            return
        store = Store(folder)
        freed = store.clear() if clear else 0
        report = {"folder": str(folder), "bytes": store.size(), "freed": freed}
        words = f"{store.size() / 1e9:.2f} GB of patients' prepared scans are in {folder}"
        say(report if as_json else words + (f"; {freed / 1e9:.2f} GB removed" if clear else ""))
