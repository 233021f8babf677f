"""When a breaker opens and closes: a machine that is told how calls end, and says whether another may begin.

    closed ── too many failures, or slow calls ──▶ open ◀─────────────┐
       ▲                                            │ its time is up  │ the probe fails, or is slow:
       │                                            ▼                 │ open for twice as long
       └────────── the probe goes well ───────── probing ─────────────┘

The probe is a real call, and the only one. When it tells nothing (it was cancelled, or never sent) the next call is the probe. A call
counts only if the breaker has not changed since it began: what was sent before says nothing of a host that has been given time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gateway.policy import BreakerPolicy
from gateway.states.window import WindowState

Condition: TypeAlias = Literal["closed", "open", "probing"]

_SPENT = -1


@dataclass(slots=True, eq=False)
class Admission:
    """A call that was let in; it counts once at most."""

    era: int
    """Which time of the breaker's it began in."""

    is_probe: bool = False


@dataclass(slots=True, eq=False)
class BreakerState:
    """One host's breaker. Times are seconds of a clock that never runs backwards."""

    policy: BreakerPolicy
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    condition: Condition = "closed"
    until: float = 0.0
    """When the next probe may go, unless it is closed. A probe that is out moves it, so that one that never ends is not the last."""

    times: int = 0
    """How often it has opened since it was closed."""

    row: int = 0
    """Failures one after the other."""

    era: int = field(default=0, repr=False)
    """Counts its changes."""

    window: WindowState = field(init=False, repr=False)
    """Calls, failed ones, slow ones."""

    def __post_init__(self) -> None:
        self._close()

    def is_open(self, now: float) -> bool:
        """A call would be turned away."""
        return self.condition != "closed" and now < self.until

    def admit(self, now: float) -> Admission | None:
        """Let a call in, as the probe if it is time for one; None when it is turned away."""
        if self.condition == "closed":
            return Admission(self.era)
        if now < self.until:
            return None
        self._change("probing", until=now + self.policy.longest)
        return Admission(self.era, is_probe=True)

    def wait(self, now: float) -> float:
        """Seconds until a call may be let in; nobody knows how long a probe takes."""
        return max(0.0, self.until - now) if self.condition == "open" else 0.0

    def record(self, admission: Admission, seconds: float, now: float, *, failed: bool) -> None:
        """A call has ended, after so many seconds."""
        if not self._counts(admission):
            return
        is_slow = self.policy.slow is not None and seconds >= self.policy.slow
        if self.condition == "closed":
            self.row = self.row + 1 if failed else 0
            if self._is_too_bad(*self.window.add(now, 1, failed, is_slow)):
                self._open(now)
        elif failed or is_slow:
            self._open(now)
        else:
            self._close()

    def withdraw(self, admission: Admission, now: float) -> None:
        """A call has ended that says nothing of the host. If it was the probe, its place is free."""
        if self._counts(admission) and admission.is_probe:
            self._change("open", until=now)

    def _counts(self, admission: Admission) -> bool:
        counts = admission.era == self.era
        admission.era = _SPENT
        return counts

    def _is_too_bad(self, calls: int, failed: int, slow: int) -> bool:
        policy = self.policy
        if self.row >= policy.consecutive:
            return True
        return calls >= policy.least and (failed >= policy.failure_rate * calls or slow >= policy.slow_rate * calls)

    def _open(self, now: float) -> None:
        self.times += 1
        # Past the thirtieth doubling everything is the longest; a float would overflow at the thousandth.
        around = min(self.policy.longest, self.policy.open * 2.0 ** min(self.times - 1, 30))
        self._change("open", until=now + around * (0.5 + self.chance()))

    def _close(self) -> None:
        self.times = self.row = 0
        self.window = WindowState(self.policy.window, 3)
        self._change("closed", until=0.0)

    def _change(self, condition: Condition, until: float) -> None:
        self.condition, self.until = condition, until
        self.era += 1
