"""Moments that the log is told of by a name: every such name is declared here."""

from __future__ import annotations

from typing import Any, NamedTuple


class Event(NamedTuple):
    """A moment that the log is told of, by a name that who counts such moments, or waits for one, can look for."""

    name: str
    meaning: str
    attributes: tuple[str, ...] = ()

    def of(self, **attributes: object) -> dict[str, Any]:
        """The `extra` of the log record that tells of it."""
        return {TOLD: (self, attributes)}


TOLD = "told"
"""Where a log record has its event, and what is to be said of it."""

_IDS = ("trace_id", "span_id")

REQUEST = Event(
    "gateway.request",
    "A request is over.",
    (*_IDS, "method", "route", "status", "duration_ms", "complete", "steps"),
)
FALLBACK = Event("gateway.fallback", "A step failed, and something stood in.", (*_IDS, "step", "reason"))
BREAKER_OPENED = Event("gateway.breaker.opened", "A host is left alone, since it fails.", ("host", "seconds"))
BREAKER_CLOSED = Event("gateway.breaker.closed", "It is well again.", ("host",))
HOST_EJECTED = Event("gateway.host.ejected", "A host of several gets no calls for a while.", ("host", "seconds"))
HOST_HEALTHY = Event("gateway.host.healthy", "A host's checks are good again.", ("upstream", "host"))
HOST_UNHEALTHY = Event("gateway.host.unhealthy", "A host's checks fail.", ("upstream", "host", "reason"))
HOSTS_FOUND = Event("gateway.hosts.found", "The hosts of an upstream are others than before.", ("upstream", "hosts"))
HOSTS_NOT_FOUND = Event("gateway.hosts.not_found", "Nobody can say where they are.", ("upstream", "reason"))
REQUESTS_SHED = Event("gateway.requests.shed", "Requests were turned away.", ("count", "in_flight"))
STORE_LOST = Event("gateway.store.lost", "Redis is gone.", ("reason",))
STORE_BACK = Event("gateway.store.back", "Redis is back.", ("seconds",))
SPANS_LOST = Event("gateway.spans.lost", "Spans could not be exported.", ("count", "reason"))
JOURNAL_LOST = Event("gateway.journal.lost", "The journal cannot be written.", ("reason",))
JOURNAL_BACK = Event("gateway.journal.back", "It can be written again.", ("count",))
LINES_LOST = Event("gateway.logs.lost", "Nobody has read the log for so long that lines are lost.", ("count",))
TRANSFORM_FAILED = Event("gateway.transform.failed", "A user's function has failed.", ("function",))
FAULTS_INJECTED = Event("gateway.faults.injected", "Calls are broken on purpose.", ("upstreams",))
SERVING = Event("gateway.serving", "The gateway serves.", ("endpoints", "config", "url", "admin"))

EVENTS = (
    *(SERVING, REQUEST, FALLBACK, BREAKER_OPENED, BREAKER_CLOSED, HOST_EJECTED, HOST_HEALTHY, HOST_UNHEALTHY, HOSTS_FOUND),
    *(HOSTS_NOT_FOUND, REQUESTS_SHED, STORE_LOST, STORE_BACK, SPANS_LOST, JOURNAL_LOST, JOURNAL_BACK, LINES_LOST),
    *(TRANSFORM_FAILED, FAULTS_INJECTED),
)
