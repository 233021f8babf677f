"""Figures of the requests of a second, worked out of what was kept of them: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.journal.record import Summary


def figures(found: Sequence[Summary], seconds: float) -> dict[str, Any]:
    """Of all requests, and of each endpoint's; each that was kept counts for those that it stands for. Work in the background is none."""
    requests = [one for one in found if one.method]
    names = sorted({one.name for one in requests})
    return {
        **_figures(requests, seconds),
        "endpoints": {name: _figures([one for one in requests if one.name == name], seconds) for name in names},
    }


def _figures(requests: Sequence[Summary], seconds: float) -> dict[str, Any]:
    def per_second(those: Iterable[Summary]) -> float:
        return round(sum(one.stands_for for one in those) / seconds, 2)

    return {
        "rate": per_second(requests),
        "errors": per_second(one for one in requests if one.status is not None and one.status >= 500),
        "partial": per_second(one for one in requests if one.complete is False),
        "p50_ms": percentile(requests, 0.5),
        "p99_ms": percentile(requests, 0.99),
    }


def percentile(requests: Iterable[Summary], share: float) -> float | None:
    """Milliseconds within which this share of requests was answered; None where there was none."""
    ordered = sorted(requests, key=lambda one: one.duration)
    left = share * sum(one.stands_for for one in ordered)
    for one in ordered:
        left -= one.stands_for
        if left <= 0:
            return one.duration
    return None
