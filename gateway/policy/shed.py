"""When requests are turned away at the front, and which of them first."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from gateway.policy.units import Duration, Policy, Share

Priority: TypeAlias = Literal["critical", "normal", "low"]


class ShedPolicy(Policy):
    """Turn requests away when there is more to do than can be done in time. Harm it can do: under too low a limit, those too that
    could be answered.
    """

    in_flight: int = Field(1000, ge=1, le=1_000_000)
    """Requests that are answered at a time, in each process. Endpoints of low priority have four fifths of it; where there are critical
    ones, the last tenth is theirs alone."""

    lag: Duration | None = None
    """How late the process may be with what it has to do. When it has been later for three seconds, a growing share of the requests is
    turned away until it is not. Off unless written."""

    memory: Share | None = None
    """Share of the memory there is, the container's or else the machine's, that this process may have before a growing share of the
    requests is turned away. On Linux. Off unless written."""
