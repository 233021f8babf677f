"""Which hosts of an upstream are out, since they fail while others do not. The rules are those of Envoy's outlier detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf

from gateway.hosts import HostState
from gateway.policy import EjectPolicy


@dataclass(slots=True, eq=False)
class OutlierState:
    """What is known of one host."""

    row: int = 0
    """Failures one after the other."""

    times: int = 0
    """How often it was put out, less what it has been forgiven."""

    until: float = -inf
    """When it is, or was, in again."""


@dataclass(slots=True, eq=False)
class EjectionState:
    """The hosts of an upstream. Being out is a bar of a host's; nobody is turned away for it."""

    policy: EjectPolicy
    hosts: Sequence[HostState]
    outliers: dict[str, OutlierState] = field(init=False)
    """By the host's URL."""

    def __post_init__(self) -> None:
        self.outliers = {host.url: OutlierState() for host in self.hosts}
        for host in self.hosts:
            host.bars.append(partial(self.bars, host))

    def bars(self, host: HostState, now: float) -> bool:
        """The host is out, and another one is there to be asked: the last one that is left is asked all the same."""
        return self.is_out(host, now) and self._has_others(host, now)

    def is_out(self, host: HostState, now: float) -> bool:
        """The host has been put out."""
        return now < self.outliers[host.url].until

    def record(self, host: HostState, now: float, *, failed: bool) -> bool:
        """A call to the host has ended. True when that put it out."""
        outlier = self.outliers[host.url]
        outlier.row = outlier.row + 1 if failed else 0
        if outlier.row < self.policy.consecutive or not self._may_go(host, now):
            return False
        self._put_out(outlier, now)
        return True

    def _may_go(self, host: HostState, now: float) -> bool:
        # Who fails when the others are not well either is no outlier.
        if self.is_out(host, now) or not self._has_others(host, now):
            return False
        out = sum(self.is_out(one, now) for one in self.hosts)
        return out < max(1, int(self.policy.most * len(self.hosts)))

    def _has_others(self, host: HostState, now: float) -> bool:
        return any(one.is_ready(now) for one in self.hosts if one is not host and not self.is_out(one, now))

    def _put_out(self, outlier: OutlierState, now: float) -> None:
        forgiven = int((now - outlier.until) / self.policy.out) if outlier.times else 0
        outlier.row, outlier.times = 0, max(0, outlier.times - forgiven) + 1
        outlier.until = now + min(self.policy.longest, self.policy.out * outlier.times)
