"""What a cache did, for whoever asks: a member of `Cache-Status` (RFC 9211)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from typing import Literal, TypeAlias

NAME = "Fanin"

Forward: TypeAlias = Literal["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"]
"""Why a request went on to the origin (RFC 9211, section 2.2)."""


@dataclass(frozen=True, slots=True)
class Member:
    """What this cache did with a request; its text is the member."""

    hit: bool = False
    fwd: Forward | None = None
    fwd_status: int | None = None
    ttl: float | None = None
    """Seconds of freshness that are left, less than 0 for what is stale."""

    stored: bool = False
    collapsed: bool = False
    detail: str | None = None
    """A token that is ours."""

    def lasting(self, ttl: float) -> Member:
        """The same of what is fresh for so many seconds yet. Written out, as `replace` looks up every field anew."""
        return Member(self.hit, self.fwd, self.fwd_status, ttl, self.stored, self.collapsed, self.detail)

    def __str__(self) -> str:
        return "; ".join([NAME, *self._parameters()])

    def _parameters(self) -> Iterator[str]:
        if self.hit:
            yield "hit"
        if self.fwd:
            yield f"fwd={self.fwd}"
        if self.fwd_status:
            yield f"fwd-status={self.fwd_status}"
        if self.ttl is not None:
            yield f"ttl={floor(self.ttl)}"
        if self.stored:
            yield "stored"
        if self.collapsed:
            yield "collapsed"
        if self.detail:
            yield f"detail={self.detail}"
