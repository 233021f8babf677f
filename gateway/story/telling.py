"""Why each step ran when it ran, what came of it, what it waited for, and what the cache had to do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import telemetry
from gateway.story import NOBODY, Needs, steps_of
from gateway.telemetry import Span, Trace


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds that a step waited for something other than an upstream, those of all its calls together."""

    bulkhead: float = 0.0
    """For a permit."""

    backoff: float = 0.0
    """Between attempts."""

    pause: float = 0.0
    """Since the upstream had asked for it."""

    coalesced_with: str | None = None
    """`trace-span` of the step whose call this one shared."""


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to tell of a step."""

    why: str
    """Why it ran when it ran, or did not: `ran at once`, `after user, orders` (the last is the one that ended last), `skipped: …`."""

    outcome: str
    """As in the trace; `cancelled` of one that was cut short."""

    reason: str | None
    attempts: int
    waits: Waits
    cache_status: str | None
    cache_ttl: float | None

    def as_json(self) -> dict[str, Any]:
        """As it stands in a trace that is asked for."""
        return {
            "why": self.why,
            "outcome": self.outcome,
            "reason": self.reason,
            "attempts": self.attempts,
            "waits": {
                "bulkhead_ms": round(self.waits.bulkhead, 3),
                "backoff_ms": round(self.waits.backoff, 3),
                "pause_ms": round(self.waits.pause, 3),
                "coalesced_with": self.waits.coalesced_with,
            },
            "cache": {"status": self.cache_status, "ttl": self.cache_ttl},
        }


def tell(trace: Trace, needs: Needs = NOBODY) -> dict[str, Told]:
    """What there is to tell of each step that began, by its name."""
    steps = steps_of(trace.spans)
    return {name: _told(span, _attempts(trace, span), _why(name, steps, needs)) for name, span in steps.items()}


def waits_of(step: Span, attempts: Sequence[Span]) -> Waits:
    """What a step waited for."""
    own = step.attributes
    shared = step.links[-1] if step.links and own.get(telemetry.CACHE_STATUS) == "collapsed" else None
    return Waits(
        bulkhead=1000 * sum(float(one.attributes.get(telemetry.BULKHEAD_DELAY, 0.0)) for one in attempts),
        backoff=1000 * float(own.get(telemetry.RETRY_DELAY, 0.0)),
        pause=1000 * float(own.get(telemetry.PAUSE_DELAY, 0.0)),
        coalesced_with=f"{shared.trace:032x}-{shared.span:016x}" if shared else None,
    )


def _told(span: Span, attempts: Sequence[Span], why: str) -> Told:
    own = span.attributes
    status, ttl, reason = own.get(telemetry.CACHE_STATUS), own.get(telemetry.CACHE_TTL), own.get(telemetry.STEP_REASON)
    return Told(
        why=why,
        outcome=str(own.get(telemetry.STEP_OUTCOME, "cancelled")),
        reason=None if reason is None else str(reason),
        attempts=len(attempts),
        waits=waits_of(span, attempts),
        cache_status=None if status is None else str(status),
        cache_ttl=None if ttl is None else float(ttl),
    )


def _why(name: str, steps: Mapping[str, Span], needs: Needs) -> str:
    if steps[name].attributes.get(telemetry.STEP_OUTCOME) == "skipped":
        return f"skipped: {steps[name].attributes.get(telemetry.STEP_REASON)}"
    waited = sorted((need for need in needs.get(name, ()) if need in steps), key=lambda need: steps[need].end or 0)
    return f"after {', '.join(waited)}" if waited else "ran at once"


def _attempts(trace: Trace, step: Span) -> list[Span]:
    return [span for span in trace.spans if span.parent == step.id and span.kind == "client"]
