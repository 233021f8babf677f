"""What rows are played on: a running gateway, those it calls, and what the gateway held before anything went wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Children
from faults import config, replies
from faults.claims import require
from faults.clients import Crowd
from faults.gateway import Answer, Levels, RunningGateway, running
from faults.server import FaultServer
from faults.upstreams import Upstreams, upstreams

WARM = 30
"""Requests to each endpoint before anybody looks at what the gateway holds."""

CROWDS = (500, 500, 500)
"""Requests that are in hand at once, before as well."""

LARGE = 9 * replies.MIB
"""Bytes of one reply that is nearly as large as replies may be: what an allocator keeps of that it has been given in good days."""

MORE_TASKS = 5
MORE_FILES = 5
MORE_MIB = 20.0
"""What it may hold more than before, once a fault is over."""

SETTLES = 9.0
"""Seconds in which it must have let go: an idle connection is kept for four, and at most as long again until somebody looks."""


@dataclass
class Stage:
    """A place to play a row."""

    gateway: RunningGateway
    upstreams: Upstreams
    names: Path
    """What our own name service says."""

    slack: float
    """Seconds that anything may take longer: a machine that has other things to do is no fault of the gateway."""

    before: Levels

    @property
    def server(self) -> FaultServer:
        """The upstream that is broken."""
        return self.upstreams.server

    async def ask(self, path: str = "/plain", method: str = "GET") -> Answer:
        """Ask the gateway."""
        return await self.gateway.ask(path, method)

    def move(self, name: str, address: str) -> None:
        """Have the name service say another address."""
        said = json.loads(self.names.read_text())
        self.names.write_text(json.dumps({**said, name: address}))


@asynccontextmanager
async def staged(slack: float) -> AsyncIterator[Stage]:
    """A stage while the block runs. Raises `Broken` when the gateway does not start."""
    async with AsyncExitStack() as stack:
        children = stack.enter_context(Children())
        called = await stack.enter_async_context(upstreams(children))
        file, names = children.folder / "gateway.yaml", children.folder / "names.json"
        names.write_text(json.dumps({"slow.test": "127.0.0.1", "moving.test": "127.0.0.1"}))
        config.write(file, called.urls, called.certified.words, called.shared)
        environ = {"FAULTS_NAMES": str(names), **_tracing(called.collector.url)}
        gateway = await stack.enter_async_context(running(file, children, environ))
        for path in ("/plain", "/retried", "/kept", "/sturdy", "/guarded", "/parts"):
            await gateway.many(WARM, path)
        called.server.always(replies.body(b'"%s"' % bytes(LARGE).replace(b"\0", b"x")))
        await gateway.ask()
        called.own["late"].always(replies.HANGS)
        for count in CROWDS:
            await Crowd(gateway, "/late").at_once(count)
        await called.heal()
        yield Stage(gateway, called, names, slack, await _quiet(gateway))


def _tracing(url: str) -> dict[str, str]:
    """Spans of the requests that say so themselves, and of no others."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


async def settle(stage: Stage, path: str, within: float) -> str:
    """Heal everything, and see the gateway answer again and hold what it held before. Raises `Unmet`."""
    await stage.upstreams.heal()
    healed = time.perf_counter()
    while (answer := await stage.ask(path)).status != 200:
        require(
            time.perf_counter() - healed < within + stage.slack, f"afterwards {answer}, {within:g} s after the end of the fault"
        )
        await asyncio.sleep(0.05)
    await _until(lambda: _nothing_in_flight(stage), stage.slack)
    levels = await _until(lambda: _as_before(stage), stage.slack)
    complaint = stage.gateway.complaint()
    require(not complaint, f"its log says {complaint!r}")
    return levels


async def _until(claim: Callable[[], Awaitable[tuple[bool, str]]], slack: float) -> str:
    """Wait for what is to become true, and give what it says then. Raises `Unmet` with what it says."""
    end = time.perf_counter() + SETTLES + slack
    while True:
        is_so, said = await claim()
        if is_so:
            return said
        require(time.perf_counter() < end, f"afterwards {said}")
        await asyncio.sleep(0.05)


async def _nothing_in_flight(stage: Stage) -> tuple[bool, str]:
    return not stage.upstreams.in_flight, f"{stage.upstreams.in_flight} calls in flight"


async def _as_before(stage: Stage) -> tuple[bool, str]:
    now, before = await stage.gateway.levels(), stage.before
    files, mib = (now.files or 0) - (before.files or 0), (now.mib or 0.0) - (before.mib or 0.0)
    is_so = now.tasks - before.tasks <= MORE_TASKS and files <= MORE_FILES and mib <= MORE_MIB
    return is_so, f"{now.tasks - before.tasks:+d} tasks, {files:+d} files, {mib:+.0f} MiB"


async def _quiet(gateway: RunningGateway) -> Levels:
    """What it holds when it has closed what it does not need."""
    levels = await gateway.levels()
    while True:
        await asyncio.sleep(1.0)
        before, levels = levels, await gateway.levels()
        if (before.tasks, before.files) == (levels.tasks, levels.files):
            return levels
