"""Finding what is shipped with the library but is not code: data-set cards, the apps' pages."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """The folder ``name`` of the installed library, or of the checkout it runs from.

    Args:
        name: ``"datasets"`` or ``"apps"``.

    Raises:
        FileNotFoundError: when the installation lacks it.

    Example:
        >>> (folder("datasets") / "ct_phantom" / "card.toml").is_file()
        True
    """
    package = Path(__file__).parent
    for candidate in (package / "_share" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"this installation of medlib lacks its folder {name!r}: install medlib again"
    )
