"""What is overloaded: the gateway's own core, or an upstream that can do less than the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from bench.data import value
from bench.overload.results import GUARDED, UNGUARDED
from bench.peers import Peer
from bench.peers.fanin import CONFIGS, UNTRACED, command, untraced
from bench.workloads import WORKLOADS, Workload

WORKERS = 8
SERVICE = 0.02
"""Seconds that each worker of the limited upstream takes for a request: with all of them, 400 requests a second."""


@dataclass(frozen=True)
class Scenario:
    """Something to ask for, and what limits it."""

    name: str
    about: str
    workload: Workload
    capacity: float | None = None
    """Requests per second that are possible; None where that is found by asking."""


LIMITED = Workload("limited", "one call to an upstream of limited capacity", lambda number: {"user": value(f"/user/{number}")})

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "cpu", "the gateway's core is what there is too little of; each request is an aggregate of ten", WORKLOADS["aggregate-10"]
    ),
    Scenario(
        "upstream",
        f"an upstream with {WORKERS} workers, {SERVICE * 1e3:.0f} ms for each request, and a queue without end",
        LIMITED,
        WORKERS / SERVICE,
    ),
)

PEERS: Mapping[str, Peer] = {
    guard: replace(
        UNTRACED,
        name=guard,
        command=partial(command, tracing=untraced, config=lambda _, file=file: CONFIGS / file),  # type: ignore[misc]
    )
    for guard, file in ((GUARDED, "overload.yaml"), (UNGUARDED, "overload-unguarded.yaml"))
}
"""The gateway under test: with the layers that are there for the bad day, and with limits in time and retries alone."""
