"""A batch on its way to the collector: what is tried again, when, for how long, and what the log is told."""

from __future__ import annotations

import asyncio
import gzip
import logging
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess, ExportTraceServiceResponse

from gateway.export.collector import Collector, Lost
from gateway.export.settings import CollectorPolicy

URL = "http://user:password@collector.test/v1/traces"
PROTOBUF = {"content-type": "application/x-protobuf"}


class Receiver:
    """Plays the collector: each request is answered by the next reply, the last one again and again."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply == "hang":
            await asyncio.Event().wait()
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply) if isinstance(reply, int) else reply


@pytest.fixture
def collector() -> Callable[..., tuple[Collector, Receiver]]:
    """Makes a collector that gives these replies."""

    def make(*replies: Any, **policy: Any) -> tuple[Collector, Receiver]:
        receiver = Receiver(*replies)
        made = Collector(CollectorPolicy(URL, **policy), chance=lambda: 0.5)
        made.client = httpx.AsyncClient(transport=httpx.MockTransport(receiver.answer))
        return made, receiver

    return make


def _asking(seconds: str) -> httpx.Response:
    return httpx.Response(503, headers={"retry-after": seconds})


@pytest.mark.looptime
@pytest.mark.parametrize("reply", [429, 502, 503, 504, httpx.ConnectError("refused"), httpx.ReadError("reset")], ids=str)
async def test_what_may_pass_is_tried_again(collector: Any, reply: Any) -> None:
    """What OTLP calls retryable, and a connection that fails."""
    made, receiver = collector(reply, 200)

    await made.take(b"spans")

    assert [request.content for request in receiver.requests] == [b"spans", b"spans"]


@pytest.mark.looptime
@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
async def test_what_will_not_pass_is_not_tried_again(collector: Any, status: int) -> None:
    """The same bytes would meet the same answer."""
    made, receiver = collector(status, 200)

    with pytest.raises(Lost, match=f"^status {status}$"):
        await made.take(b"spans")

    assert len(receiver.requests) == 1


@pytest.mark.looptime
async def test_pauses_double_until_there_is_no_time_for_another(collector: Any) -> None:
    """After 1, 2 and 4 seconds; the next would end after the 10 that a batch may take."""
    made, receiver = collector(503)

    with pytest.raises(Lost, match="status 503"):
        await made.take(b"spans")

    assert receiver.times == pytest.approx([0, 1, 3, 7], abs=0.01)
    assert asyncio.get_running_loop().time() == pytest.approx(7, abs=0.01)


@pytest.mark.looptime
async def test_not_all_workers_come_back_at_once(collector: Any) -> None:
    """Chance makes a pause a fifth shorter or longer."""
    made, receiver = collector(503, 503, 200)
    made.chance = iter([0.0, 1.0]).__next__

    await made.take(b"spans")

    assert receiver.times == pytest.approx([0, 0.8, 0.8 + 2.4], abs=0.01)


@pytest.mark.looptime
@pytest.mark.parametrize(("asked", "times"), [("3", [0, 3]), ("0", [0, 0]), ("soon", [0, 1]), ("11", [0])])
async def test_the_collector_says_when_to_come_back(collector: Any, asked: str, times: list[float]) -> None:
    """By `Retry-After`, if that is soon enough; what is neither a number nor a date says nothing."""
    made, receiver = collector(_asking(asked), 200)

    if len(times) == 1:
        with pytest.raises(Lost):
            await made.take(b"spans")
    else:
        await made.take(b"spans")

    assert receiver.times == pytest.approx(times, abs=0.01)


@pytest.mark.looptime
async def test_a_collector_that_hangs_is_left_when_the_time_is_up(collector: Any) -> None:
    """The timeout covers all attempts together."""
    made, _ = collector(503, "hang", timeout=4.0)

    with pytest.raises(Lost, match=r"^no answer within 4 s$"):
        await made.take(b"spans")

    assert asyncio.get_running_loop().time() == pytest.approx(4, abs=0.01)


@pytest.mark.looptime
async def test_who_leaves_tries_once_more_and_waits_for_nothing(collector: Any) -> None:
    """A pause ends when the gateway stops; the attempt after it is the last."""
    made, receiver = collector(503)
    asyncio.get_running_loop().call_later(0.5, made.leave)

    with pytest.raises(Lost):
        await made.take(b"spans")

    assert receiver.times == pytest.approx([0, 0.5], abs=0.01)


@pytest.mark.parametrize(
    ("compression", "decompress"), [("none", bytes), ("gzip", gzip.decompress), ("deflate", zlib.decompress)]
)
async def test_a_batch_is_compressed_as_the_collector_is_told(
    collector: Any, compression: str, decompress: Callable[[bytes], bytes]
) -> None:
    """Header and bytes agree."""
    made, receiver = collector(200, compression=compression)

    await made.take(b"spans" * 1000)

    (request,) = receiver.requests
    assert request.headers.get("content-encoding", "none") == compression
    assert decompress(request.content) == b"spans" * 1000


@pytest.mark.looptime
async def test_a_batch_says_what_it_is_and_who_sends_it(collector: Any) -> None:
    """With the headers that the environment adds, or puts in their place."""
    made, receiver = collector(200, headers={"x-token": "secret", "user-agent": "shop"})

    await made.take(b"spans")

    (request,) = receiver.requests
    sent = {name: request.headers[name] for name in ("content-type", "x-token", "user-agent")}
    assert sent == {"content-type": "application/x-protobuf", "x-token": "secret", "user-agent": "shop"}


@pytest.mark.looptime
@pytest.mark.parametrize("reply", [401, 503, httpx.ConnectError("refused")], ids=str)
async def test_nothing_tells_what_the_collector_is_sent(collector: Any, caplog: pytest.LogCaptureFixture, reply: Any) -> None:
    """Neither the error, nor the place, nor any log: headers and URLs have tokens in them."""
    caplog.set_level(logging.INFO)
    made, _ = collector(reply, headers={"x-token": "secret"})

    with pytest.raises(Lost) as lost:
        await made.take(b"spans")

    told = f"{lost.value} {made.policy.place} {made!r} {made.policy!r} {caplog.text}"
    assert "http://collector.test" in told
    assert not {word for word in ("secret", "password") if word in told}


def _partial(rejected: int, message: str) -> httpx.Response:
    partial = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    )
    return httpx.Response(200, headers=PROTOBUF, content=partial.SerializeToString())


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (_partial(3, "too\nold"), [r"the collector rejected 3 spans: 'too\nold'"]),
        (_partial(0, "slow down"), ["the collector rejected 0 spans: 'slow down'"]),
        (_partial(0, ""), []),
        (httpx.Response(200, headers=PROTOBUF, content=b"\xff\xff"), []),
        (_partial(1, "x" * 100_000), []),
        (httpx.Response(200, text="fine"), []),
    ],
    ids=["some", "a warning", "none", "no protobuf", "far too much", "text"],
)
async def test_a_collector_may_take_a_batch_and_complain(
    collector: Any, caplog: pytest.LogCaptureFixture, reply: httpx.Response, told: list[str]
) -> None:
    """Its complaint is told, on one line, and nothing is sent again."""
    made, receiver = collector(reply)

    await made.take(b"spans")

    assert [record.getMessage() for record in caplog.records] == told
    assert len(receiver.requests) == 1
