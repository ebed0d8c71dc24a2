"""Logging in by an OpenID provider, which Streamlit's own ``st.login`` asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st


def is_configured() -> bool:
    """Whether Streamlit's secrets name a provider, in their section ``auth``."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def issued(claims: Mapping[str, Any]) -> int:
    """When the provider made its statement (``iat``), in seconds since 1970; 0 where it does not say.

    Example:
        >>> issued({"iat": 1700000000}), issued({"iat": "yesterday"})
        (1700000000, 0)
    """
    said = claims.get("iat")
    return int(said) if isinstance(said, int | float) else 0


def subject_of(claims: Mapping[str, Any]) -> str:
    """What an account is known by: the provider and what it calls the person.

    Names and addresses can change hands; this does not (OpenID Connect Core 5.7).

    Args:
        claims: of an ID token that was checked.

    Returns:
        Empty where the token does not say.

    Example:
        >>> subject_of({"iss": "https://id.example.org", "sub": "4711", "email": "a@b.c"})
        'https://id.example.org 4711'
    """
    issuer, subject = claims.get("iss"), claims.get("sub")
    return f"{issuer} {subject}" if issuer and subject else ""
