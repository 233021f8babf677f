"""What a row may come to besides what it has seen."""

from __future__ import annotations


class Unmet(Exception):
    """The gateway does not do what is required; the text says what it does."""


class Unplayable(Exception):
    """A fault that cannot be played here; the text says why."""


def require(claim: bool, otherwise: str) -> None:
    """Raises `Unmet` unless it is so."""
    if not claim:
        raise Unmet(otherwise)
