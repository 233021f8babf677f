"""Whether a host is well, by what it answers to checks: a row of them must agree before anything changes."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.policy import HealthPolicy


@dataclass(slots=True, eq=False)
class HealthState:
    """What checks have said of one host. It is taken for healthy until they say otherwise."""

    policy: HealthPolicy
    is_healthy: bool = True
    row: int = 0
    """The last checks, one after the other, that said otherwise."""

    def hear(self, *, good: bool) -> bool:
        """A check has ended. True when the host has changed by it."""
        self.row = 0 if good == self.is_healthy else self.row + 1
        if self.row < (self.policy.unhealthy if self.is_healthy else self.policy.healthy):
            return False
        self.is_healthy, self.row = good, 0
        return True
