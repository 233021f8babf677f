"""`python -m bench.upstream`: the static services behind every peer, on `ORIGINS` ports."""

from __future__ import annotations

from bench.data import body
from bench.server import serve

ORIGINS = 3
"""Ports, so that a peer keeps a pool for each, as it would for three hosts."""


def answer(target: str, _body: bytes) -> bytes | None:
    """The prepared bytes."""
    return body(target)


if __name__ == "__main__":
    serve(answer, ORIGINS)
