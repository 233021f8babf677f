"""An answer that is to be made for all who wait for it, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.caching.cache_status import Forward, Member
from gateway.inbound.response import Response
from gateway.plan import Plan
from gateway.telemetry import Span


@dataclass(frozen=True, slots=True)
class Made:
    """An answer that has just been made."""

    response: Response
    by: Span
    """The span of the request whose errand it was, whoever else gets it."""

    is_kept: bool = False

    @property
    def has_failed(self) -> bool:
        """An older one is better (RFC 5861, section 4), as it is better than half an answer."""
        return self.response.status >= 500 or (self.response.status < 300 and not self.response.is_whole)

    def told_to(self, span: Span, why: Forward) -> Response:
        """The response to the request with this span; `why` it did not get one that is kept."""
        is_own = self.by is span
        response = self.response.shared()
        response.timing = self.response.timing if is_own else None
        response.add(b"cache-status", str(Member(fwd=why, stored=self.is_kept and is_own, collapsed=not is_own)))
        return response


@dataclass(slots=True)
class Errand:
    """What one request would do to have its answer made. Of several that want the same, one does."""

    key: str
    """Where the answer is kept."""

    plan: Plan
    values: Mapping[str, Any] = field(repr=False)
    deadline: float
    """Absolute loop time."""

    span: Span = field(repr=False)
    late: Made | None = field(default=None, repr=False)
    """What it came to because there was no more time, which is its own failure and nobody else's."""
