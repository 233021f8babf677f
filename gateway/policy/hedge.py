"""When to ask twice."""

from __future__ import annotations

from pydantic import Field

from gateway.policy.units import Duration, Policy, Share


class HedgePolicy(Policy):
    """Ask again when a reply takes longer than usual, and take the first. Harm it can do: it is new load on an upstream that is slow."""

    percentile: float = Field(95.0, ge=50, le=99.9)
    """Of a step's replies so many percent take as long as usual or less; the second copy is sent after that."""

    at_least: Duration = Field(0.01, json_schema_extra={"default": "10ms"})
    """No second copy is sent before this."""

    extra: Share = Field(0.05, json_schema_extra={"default": "5%"})
    """Second copies, as a share of the calls to the upstream that may have one, in each process."""

    def __str__(self) -> str:
        return "hedge"
