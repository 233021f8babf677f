"""Finished traces waiting to leave: when a batch goes, how large it is, what is lost, and that nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.export.collector import Collector, Lost
from gateway.export.otlp import Envelope
from gateway.export.outbox import OutboxState
from gateway.export.settings import BatchPolicy, CollectorPolicy
from gateway.telemetry import SpanType, Trace

pytestmark = pytest.mark.looptime

SPAN = SpanType("x")


class Taking(Collector):
    """A collector that takes so many seconds for a batch, and does with it what it is told to."""

    def __init__(self) -> None:
        super().__init__(CollectorPolicy("http://collector.test/v1/traces"))
        self.seconds = 0.0
        self.outcomes: list[Exception] = []
        self.batches: list[tuple[float, int]] = []
        """Loop time at which each came, and how many spans it had."""

        self.at_once = self.most_at_once = 0
        self.hurries = self.is_closed = False

    def leave(self) -> None:
        self.hurries = True

    async def close(self) -> None:
        self.is_closed = True

    async def take(self, body: bytes) -> None:
        (group,) = ExportTraceServiceRequest.FromString(body).resource_spans
        self.batches.append((asyncio.get_running_loop().time(), len(group.scope_spans[0].spans)))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        if self.outcomes:
            raise self.outcomes.pop(0)


def _trace(spans: int) -> Trace:
    trace = Trace(1, sampled=True, next_id=count(1).__next__)
    for _ in range(spans):
        with trace.span(SPAN, None):
            pass
    return trace


@pytest.fixture
def collector() -> Taking:
    """A collector that takes everything at once."""
    return Taking()


@pytest.fixture
async def outbox(collector: Taking) -> AsyncIterator[Callable[..., OutboxState]]:
    """Starts an outbox with this policy; it is stopped in the end."""
    made: list[OutboxState] = []

    def start(**policy: Any) -> OutboxState:
        policy = {"delay": 5.0, "size": 10, "waiting": 40, **policy}
        made.append(OutboxState(BatchPolicy(**policy), collector, Envelope(Resource({}), InstrumentationScope("fanin"))))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        if not collector.is_closed:
            await one.stop()


async def test_a_full_batch_leaves_at_once(outbox: Any, collector: Taking) -> None:
    """Without waiting for its time."""
    box = outbox()

    for _ in range(5):
        box.put(_trace(2))
    await asyncio.sleep(0.01)

    assert collector.batches == [(pytest.approx(0, abs=0.01), 10)]
    assert box.spans == 0


async def test_what_is_no_full_batch_leaves_when_its_time_has_come(outbox: Any, collector: Taking) -> None:
    """After the delay, and again after the next."""
    box = outbox()

    box.put(_trace(3))
    await asyncio.sleep(7)
    box.put(_trace(4))
    await asyncio.sleep(7)

    assert collector.batches == [(pytest.approx(5, abs=0.01), 3), (pytest.approx(10, abs=0.01), 4)]


async def test_a_batch_is_whole_traces(outbox: Any, collector: Taking) -> None:
    """No trace is torn; one that is larger than a batch leaves alone."""
    box = outbox()

    for spans in (4, 4, 4, 12, 1):
        box.put(_trace(spans))
    await asyncio.sleep(6)

    assert [spans for _, spans in collector.batches] == [8, 4, 12, 1]


async def test_one_batch_at_a_time(outbox: Any, collector: Taking) -> None:
    """A slow collector is not sent more than it can take; what comes meanwhile waits, and goes in full batches."""
    collector.seconds = 1.0
    box = outbox()

    for _ in range(5):
        box.put(_trace(6))
    await asyncio.sleep(10)

    assert collector.most_at_once == 1
    assert [spans for _, spans in collector.batches] == [6, 6, 6, 6, 6]


async def test_what_there_is_no_room_for_is_lost(outbox: Any, collector: Taking, caplog: pytest.LogCaptureFixture) -> None:
    """The newest, and it is not even encoded; the log is told at the first, and of the rest a minute later."""
    collector.seconds = 100.0
    box = outbox(waiting=20)
    box.put(_trace(10))
    await asyncio.sleep(0.01)

    for _ in range(5):
        box.put(_trace(10))
    await asyncio.sleep(60)
    box.put(_trace(10))

    assert [record.getMessage() for record in caplog.records] == [
        "10 spans lost: they come faster than they are taken",
        "30 spans lost within 60 s: they come faster than they are taken",
    ]
    assert box.spans == 20
    await box.stop()


async def test_a_batch_that_is_not_taken_is_lost(outbox: Any, collector: Taking, caplog: pytest.LogCaptureFixture) -> None:
    """The log has how many spans it was, where, and why; the next batch goes as ever."""
    collector.outcomes = [Lost("status 400")]
    box = outbox()

    box.put(_trace(10))
    await asyncio.sleep(0.01)
    box.put(_trace(10))
    await asyncio.sleep(0.01)

    assert [record.getMessage() for record in caplog.records] == ["10 spans lost: http://collector.test: status 400"]
    assert box.lost == 10
    assert len(collector.batches) == 2


async def test_a_bug_costs_one_batch(outbox: Any, collector: Taking, caplog: pytest.LogCaptureFixture) -> None:
    """It is told with its traceback, and exporting goes on."""
    collector.outcomes = [ZeroDivisionError()]
    box = outbox()

    box.put(_trace(10))
    await asyncio.sleep(0.01)
    box.put(_trace(10))
    await asyncio.sleep(0.01)

    assert "ZeroDivisionError" in caplog.text
    assert len(collector.batches) == 2


async def test_everything_that_waits_leaves_when_the_gateway_stops(outbox: Any, collector: Taking) -> None:
    """In batches, at once."""
    collector.seconds = 0.1
    box = outbox(waiting=100)
    for _ in range(4):
        box.put(_trace(8))

    await box.stop()

    assert [spans for _, spans in collector.batches] == [8, 8, 8, 8]
    assert asyncio.get_running_loop().time() == pytest.approx(0.4, abs=0.02)
    assert collector.hurries
    assert collector.is_closed


async def test_a_stop_that_is_cut_short_says_what_is_lost(
    outbox: Any, collector: Taking, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch on its way and what waits behind it; the connection is closed all the same."""
    collector.seconds = 3600.0
    box = outbox()
    for _ in range(3):
        box.put(_trace(10))
    await asyncio.sleep(0.01)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await box.stop()

    assert [record.getMessage() for record in caplog.records] == ["30 spans lost until the gateway stopped"]
    assert collector.is_closed
