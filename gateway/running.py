"""What exists only while a gateway runs: made by the app's lifespan, looked at by the admin side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from gateway.caching import Board, Store
from gateway.inbound.kept import KeptState
from gateway.inbound.once import OutcomesState
from gateway.inbound.visit import VisitsState
from gateway.journal.state import JournalState
from gateway.limit import LimitsState
from gateway.metrics.looks import LooksState
from gateway.metrics.state import MetricsState
from gateway.stack import WaysState
from gateway.states.shedding import SheddingState
from gateway.upkeep.background import BackgroundState


@dataclass(slots=True)
class RunningState:
    """What exists only while the gateway runs."""

    limits: LimitsState
    store: Store
    board: Board
    """Where a purge is told."""

    outcomes: OutcomesState
    ways: Mapping[str, WaysState]
    """Those to each upstream, by its name."""

    background: BackgroundState
    """What is done while no request waits for it."""

    kept: KeptState
    metrics: MetricsState
    """What finished requests have come to, in this process."""

    journal: JournalState | None = None
    """Where traces are kept, if they are."""

    shedding: SheddingState | None = None
    """What is in flight, where requests are turned away when that is too much."""

    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway is about to stop, for what would go on as long as somebody listens."""

    looks: LooksState = field(default_factory=LooksState)
    """What has been seen of all processes, by who looks."""

    left: set[asyncio.Future[Any]] = field(default_factory=set)
    """What goes on although nobody waits for it: writes being taken back, each within its time."""

    visits: VisitsState = field(default_factory=VisitsState)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="transform"))
    """For users' functions that take long. Not the loop's own threads: what resolves names there must not wait for them."""
