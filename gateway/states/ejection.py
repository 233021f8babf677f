"""When a host is out, since it fails while others do not. The rules are those of Envoy's outlier detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.policy import EjectPolicy
from gateway.states.hosts import HostState


@dataclass(slots=True, eq=False)
class OutlierState:
    """How one host does among all of its upstream. Times are seconds of a clock that never runs backwards."""

    policy: EjectPolicy
    host: HostState
    hosts: Sequence[HostState] = field(repr=False)
    """All of the upstream's, this one among them."""

    row: int = 0
    """Failures one after the other."""

    times: int = 0
    """How often it was put out, less what it has been forgiven."""

    def bars(self, now: float) -> bool:
        """The host is out, and another one is there to be asked: the last one that is left is asked all the same."""
        return self.host.is_out(now) and self._has_others(now)

    def record(self, now: float, *, failed: bool) -> bool:
        """A call to the host has ended. True when that put it out."""
        self.row = self.row + 1 if failed else 0
        if self.row < self.policy.consecutive or not self._may_go(now):
            return False
        self._put_out(now)
        return True

    def _may_go(self, now: float) -> bool:
        # Who fails when the others are not well either is no outlier.
        if self.host.is_out(now) or not self._has_others(now):
            return False
        return sum(one.is_out(now) for one in self.hosts) < max(1, int(self.policy.most * len(self.hosts)))

    def _has_others(self, now: float) -> bool:
        return any(one.is_ready(now) for one in self.hosts if one is not self.host and not one.is_out(now))

    def _put_out(self, now: float) -> None:
        forgiven = int((now - self.host.out_until) / self.policy.out) if self.times else 0
        self.row, self.times = 0, max(0, self.times - forgiven) + 1
        self.host.out_until = now + min(self.policy.longest, self.policy.out * self.times)
