"""How many calls an upstream may have at a time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.policy.units import Duration, Policy, or_on


class AdaptivePolicy(Policy):
    """Find out how many calls an upstream can have at a time. Harm it can do: calls that differ much in length look like a crowd."""

    least: int = Field(4, ge=1, le=10_000)
    """Never fewer permits than this, of which there are as many when the gateway starts. There are never more than `permits`."""

    tolerance: float = Field(1.5, ge=1, le=10)
    """Replies may take so many times as long as when the upstream has little to do, before there are fewer permits."""


class BulkheadPolicy(Policy):
    """Only so many calls of an upstream at a time. Harm it can do: a limit that is too low turns calls away from a healthy upstream."""

    permits: int = Field(100, ge=1, le=10_000)
    """Calls that may be in flight at a time, in each process."""

    queue: int = Field(50, ge=0, le=10_000)
    """Calls that may wait for a permit, the first come first."""

    wait: Duration = Field(0.05, json_schema_extra={"default": "50ms"})
    """How long a call waits for a permit at most."""

    adaptive: Annotated[AdaptivePolicy | None, or_on(AdaptivePolicy)] = None
    """Have as many permits as the upstream can take, by how long its replies take, and `permits` at most. `true`, or how."""

    def __str__(self) -> str:
        return f"bulkhead {self.adaptive.least} to {self.permits}" if self.adaptive else f"bulkhead {self.permits}"
