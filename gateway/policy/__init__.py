"""The parameters of layers, default and bounds beside each field; the field's docstring is its manual.

A policy is written in the config as it stands here (`retry: {attempts: 3}`) and is what the layer gets: there is nothing to compile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.policy.bulkhead import AdaptivePolicy, BulkheadPolicy
from gateway.policy.cache import CachePolicy
from gateway.policy.guards import BreakerPolicy, EjectPolicy, ThrottlePolicy
from gateway.policy.hedge import HedgePolicy
from gateway.policy.hosts import DiscoverPolicy, HealthPolicy
from gateway.policy.inject import InjectPolicy, Mode
from gateway.policy.shed import Priority, ShedPolicy
from gateway.policy.telemetry import TelemetryPolicy
from gateway.policy.units import Duration, Policy, Share, Size, or_off, or_on, show_duration, show_share

__all__ = [
    "AT_ONCE",
    "MOST_ITEMS",
    "AdaptivePolicy",
    "BreakerPolicy",
    "BulkheadPolicy",
    "CachePolicy",
    "DiscoverPolicy",
    "Duration",
    "EjectPolicy",
    "HealthPolicy",
    "HedgePolicy",
    "IdempotencyPolicy",
    "InjectPolicy",
    "Mode",
    "Policy",
    "Priority",
    "RetryPolicy",
    "Share",
    "ShedPolicy",
    "Size",
    "TelemetryPolicy",
    "ThrottlePolicy",
    "TlsPolicy",
    "or_off",
    "or_on",
    "show_duration",
    "show_share",
]

MOST_ITEMS = 100
"""Items that a loop may have, unless another limit is written."""

AT_ONCE = 10
"""Calls of a loop that run at once, unless written otherwise."""


class RetryPolicy(Policy):
    """Send again what failed in passing. Harm it can do: it is new load on an upstream that is already in trouble."""

    attempts: int = Field(2, ge=1, le=10)
    """Sends in all, the first included."""

    backoff: Duration = Field(0.025, json_schema_extra={"default": "25ms"})
    """Longest wait before the second attempt; it doubles with each further one. The wait is drawn evenly from 0 up to it."""

    max_backoff: Duration = Field(0.25, json_schema_extra={"default": "250ms"})
    """No wait is drawn from more than this."""

    budget: Share = Field(0.1, json_schema_extra={"default": "10%"})
    """Attempts beyond the first, as a share of the calls to the upstream that may be sent again, in each process. Three calls at a time may
    have more."""

    pause: Annotated[Duration | None, or_off(Duration)] = Field(30.0, json_schema_extra={"default": "30s"})
    """An upstream that answers 429 or 503 with `Retry-After` is left alone for so long by all that call it, but no longer than this.
    `false`: only the call that was told so keeps to it."""

    def __str__(self) -> str:
        return f"retry {self.attempts}"


class IdempotencyPolicy(Policy):
    """Run a request once for its `Idempotency-Key`. Harm it can do: a client that uses a key again too soon gets an old outcome."""

    ttl: Duration = Field(86_400.0, json_schema_extra={"default": "24h"})
    """How long an outcome is kept for those who repeat the request."""

    required: bool = False
    """A request without a key is a 400."""

    def __str__(self) -> str:
        return f"idempotent {show_duration(self.ttl)}"


class TlsPolicy(Policy):
    """Whom an upstream must prove to be, and who we are to it. There is no way to leave one unverified."""

    ca: Path | None = None
    """File with the certificates to trust, in place of the system's."""

    certificate: Path | None = None
    """File with our own, shown to an upstream that asks for one; its key may be in the same file."""

    key: Path | None = None
    """File with the key of `certificate`, not encrypted."""
