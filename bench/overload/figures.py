"""From what became of each request to the figures of a level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from bench.load import percentile
from bench.overload.load import GIVEN_UP

WINDOW = 0.25
"""Seconds: what recovery is looked for in."""

AS_BEFORE = 0.95
"""Share of a window's requests that must be answered rightly and in time for it to count as recovered."""

SLOWER = 2.0
"""How many times the 99th percentile from before the load an answer may take, to be in time."""


class Seen(NamedTuple):
    """What became of a request; seconds from the start."""

    due: float
    noticed: float
    ended: float
    status: int

    @property
    def latency(self) -> float:
        """From when it was due: what somebody waited who wanted it then."""
        return self.ended - self.due

    @property
    def is_good(self) -> bool:
        """Whether it got its answer."""
        return self.status == 200


def due_within(seen: Iterable[Seen], begins: float, ends: float) -> list[Seen]:
    """The requests that were due in a stretch."""
    return [one for one in seen if begins <= one.due < ends]


def goodput(seen: Iterable[Seen], begins: float, ends: float) -> float:
    """Right answers per second that came in a stretch.

    What came after it does not count: an answer from a queue that the load has left behind would add to what can be done meanwhile.
    """
    return sum(one.is_good and begins <= one.ended < ends for one in seen) / (ends - begins)


def share(seen: Sequence[Seen], *statuses: int) -> float:
    """Share of the requests that ended in one of these ways."""
    return sum(one.status in statuses for one in seen) / max(1, len(seen))


def failed(seen: Sequence[Seen]) -> float:
    """Share of the requests that ended in neither of the ways that are meant."""
    return 1 - share(seen, 200, 503, GIVEN_UP)


def latency_ms(seen: Iterable[Seen], part: float, status: int = 200) -> float | None:
    """The latency that this part of the requests with a status is not above, in ms; None where there are none."""
    ordered = sorted(one.latency for one in seen if one.status == status)
    return percentile(ordered, part) * 1e3 if ordered else None


def lateness_ms(seen: Iterable[Seen]) -> float:
    """How late requests were sent, or queued for a connection: the 99th percentile, in ms."""
    return percentile(sorted(one.noticed - one.due for one in seen) or [0.0], 0.99) * 1e3


def recovery(seen: Sequence[Seen], before: tuple[float, float], after: tuple[float, float]) -> float | None:
    """Seconds from the end of a load to the first window from which on all are as before it; None when the last one is not."""
    usual = latency_ms(due_within(seen, *before), 0.99)
    if usual is None:
        return None
    begins, ends = after
    count = max(1, int((ends - begins) / WINDOW))
    edges = [begins + place * WINDOW for place in range(count + 1)]
    good = [_is_as_before(due_within(seen, *window), SLOWER * usual / 1e3) for window in pairwise(edges)]
    last_bad = max((place for place, is_good in enumerate(good) if not is_good), default=-1)
    return (last_bad + 1) * WINDOW if last_bad + 1 < count else None


def _is_as_before(window: Sequence[Seen], limit: float) -> bool:
    return sum(one.is_good and one.latency <= limit for one in window) >= AS_BEFORE * len(window)
