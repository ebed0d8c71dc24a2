"""Weights that come with the library, and their cards: read without torch, so that pages may too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_THERE = Path(__file__).parent / "models" / "shipped"


def shipped() -> tuple[str, ...]:
    """Names of the weights that come with the library; each has a card, see :func:`card_of`.

    Example:
        >>> shipped()
        ('medlib-synthetic-small',)
    """
    return tuple(sorted(file.stem for file in _THERE.glob("*.safetensors")))


def file_of(name: str) -> Path:
    """The file of weights that come with the library.

    Raises:
        FileNotFoundError: for another name than those of :func:`shipped`.

    Example:
        >>> file_of("medlib-synthetic-small").suffix
        '.safetensors'
    """
    if name not in shipped():
        raise FileNotFoundError(f"no weights are called {name}; there are {', '.join(shipped())}")
    return _THERE / f"{name}.safetensors"


def card_of(name: str) -> dict[str, Any]:
    """How weights that come with the library were made, what they are good for, and their limits.

    Args:
        name: one of :func:`shipped`.

    Raises:
        FileNotFoundError: for another name.

    Example:
        >>> card_of("medlib-synthetic-small")["licence"]
        'Apache-2.0'
    """
    text = file_of(name).with_suffix(".json").read_text(encoding="utf-8")
    card: dict[str, Any] = json.loads(text)
    return card
