"""A batch on its way to the collector: what is tried again, when, for how long, and what the log is told."""

from __future__ import annotations

import asyncio
import gzip
import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess, ExportTraceServiceResponse

from gateway.errors import BadReply, Disconnected, StartError, Unreachable
from gateway.export.collector import Collector, Lost
from gateway.export.settings import CollectorPolicy
from gateway.transport import Body, Outgoing

URL = "http://user:password@collector.test/v1/traces"
PROTOBUF = [(b"Content-Type", b"application/x-protobuf; charset=none")]


@dataclass
class Reply:
    """What the wire gives back."""

    status: int
    headers: Sequence[tuple[bytes, bytes]] = ()
    said: bytes = b""

    @property
    def body(self) -> Body:
        body = Body(len(self.said))
        body.take(self.said)
        return body


class Receiver:
    """Plays the wire and the collector behind it: each request is answered by the next reply, the last one again and again."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.times: list[float] = []

    async def answer(self, _pool: Any, ready: Outgoing, _kind: Any) -> Reply:
        self.requests.append(ready.head)
        self.times.append(asyncio.get_running_loop().time())
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply == "hang":
            await asyncio.Event().wait()
        if isinstance(reply, Exception):
            raise reply
        return Reply(reply) if isinstance(reply, int) else reply

    @property
    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]

    @property
    def headers(self) -> httpx.Headers:
        """Of the only request."""
        (request,) = self.requests
        lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        return httpx.Headers([tuple(line.split(b": ", 1)) for line in lines])


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Collector, Receiver]]:
    """Makes a collector that gives these replies."""

    def make(*replies: Any, url: str = URL, **policy: Any) -> tuple[Collector, Receiver]:
        receiver = Receiver(*replies)
        monkeypatch.setattr("gateway.export.collector.exchange", receiver.answer)
        return Collector(CollectorPolicy(url, **policy), chance=lambda: 0.5), receiver

    return make


def _asking(seconds: str) -> Reply:
    return Reply(503, [(b"Retry-After", seconds.encode())])


@pytest.mark.looptime
@pytest.mark.parametrize("reply", [429, 502, 503, 504, Unreachable("refused"), Disconnected("reset")], ids=str)
async def test_what_may_pass_is_tried_again(collector: Any, reply: Any) -> None:
    """What OTLP calls retryable, and a connection that fails."""
    made, receiver = collector(reply, 200)

    await made.take(b"spans")

    assert receiver.bodies == [b"spans", b"spans"]


@pytest.mark.looptime
@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
async def test_what_will_not_pass_is_not_tried_again(collector: Any, status: int) -> None:
    """The same bytes would meet the same answer."""
    made, receiver = collector(status, 200)

    with pytest.raises(Lost, match=f"^status {status}$"):
        await made.take(b"spans")

    assert len(receiver.requests) == 1


@pytest.mark.looptime
async def test_what_is_not_http_is_not_tried_again(collector: Any) -> None:
    """Nor a reply that is far too long: whoever says that has had the batch."""
    made, receiver = collector(BadReply("not HTTP"), 200)

    with pytest.raises(Lost, match=r"^not HTTP$"):
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

    assert receiver.headers.get("content-encoding", "none") == compression
    assert decompress(receiver.bodies[0]) == b"spans" * 1000


@pytest.mark.looptime
async def test_a_batch_says_what_it_is_and_who_sends_it(collector: Any) -> None:
    """With the headers that the environment adds, or puts in their place."""
    made, receiver = collector(200, headers={"x-token": "secret", "user-agent": "shop"})

    await made.take(b"spans")

    sent = {name: receiver.headers[name] for name in ("content-type", "content-length", "x-token", "user-agent")}
    assert sent == {"content-type": "application/x-protobuf", "content-length": "5", "x-token": "secret", "user-agent": "shop"}


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("url", "headers", "sent"),
    [
        (URL, {}, "Basic dXNlcjpwYXNzd29yZA=="),
        (URL, {"authorization": "Bearer token"}, "Bearer token"),
        ("http://collector.test", {}, None),
    ],
    ids=["of the url", "of the headers", "none"],
)
async def test_a_password_in_the_url_is_shown_to_the_collector(
    collector: Any, url: str, headers: dict[str, str], sent: str | None
) -> None:
    """Unless the headers have something else to show."""
    made, receiver = collector(200, url=url, headers=headers)

    await made.take(b"spans")

    assert receiver.headers.get("authorization") == sent


@pytest.mark.parametrize("headers", [{"x-token": "a\r\nb: c"}, {"x token": "a"}], ids=["value", "name"])
def test_a_header_that_is_none_ends_the_start(headers: dict[str, str]) -> None:
    """It could be two headers, or a request of its own; what it is is not told."""
    with pytest.raises(StartError, match=r"OTEL_EXPORTER_OTLP_HEADERS") as refused:
        Collector(CollectorPolicy(URL, headers))

    assert "token" not in str(refused.value)


@pytest.mark.looptime
@pytest.mark.parametrize("reply", [401, 503, Unreachable("refused")], ids=str)
async def test_nothing_tells_what_the_collector_is_sent(collector: Any, caplog: pytest.LogCaptureFixture, reply: Any) -> None:
    """Neither the error, nor the place, nor any log: headers and URLs have tokens in them."""
    caplog.set_level(logging.INFO)
    made, _ = collector(reply, headers={"x-token": "secret"})

    with pytest.raises(Lost) as lost:
        await made.take(b"spans")

    told = f"{lost.value} {made.policy.place} {made!r} {made.policy!r} {caplog.text}"
    assert "http://collector.test" in told
    assert not {word for word in ("secret", "password") if word in told}


def _partial(rejected: int, message: str) -> Reply:
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return Reply(200, PROTOBUF, ExportTraceServiceResponse(partial_success=partial).SerializeToString())


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (_partial(3, "too\nold"), [r"the collector rejected 3 spans: 'too\nold'"]),
        (_partial(0, "slow down"), ["the collector rejected 0 spans: 'slow down'"]),
        (_partial(0, ""), []),
        (Reply(200, PROTOBUF, b"\xff\xff"), []),
        (replace(_partial(3, "x"), headers=()), []),
    ],
    ids=["some", "a warning", "none", "no protobuf", "does not say what it is"],
)
async def test_a_collector_may_take_a_batch_and_complain(
    collector: Any, caplog: pytest.LogCaptureFixture, reply: Reply, told: list[str]
) -> None:
    """Its complaint is told, on one line, and nothing is sent again."""
    made, receiver = collector(reply)

    await made.take(b"spans")

    assert [record.getMessage() for record in caplog.records] == told
    assert len(receiver.requests) == 1
