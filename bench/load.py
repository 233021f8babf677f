"""`python -m bench.load ORDER`: so many requests over so many connections, every answer looked at, every latency kept.

It connects, sends the warm-up, prints how many requests that were and waits for a line; then it sends what is counted and prints the `Sample`. Whoever reads the
peer's clocks does so in between, when nothing is under way.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from typing import cast

import uvloop

WARMING = 2.0
"""Seconds that the warm-up may take."""


@dataclass(frozen=True)
class Order:
    """What to ask for, and how much of it."""

    port: int
    path: str
    """What comes before the id."""

    first_id: int
    ids: int
    connections: int
    warm: int
    """Requests before those that are counted."""

    requests: int
    seconds: float
    """Nothing more is asked after this many."""

    length: int
    """Bytes of a right answer."""


@dataclass(frozen=True)
class Sample:
    """What came of an order."""

    requests: int
    """Answered in time; fewer than ordered where it took too long."""

    seconds: float
    p50: float
    """Seconds, as `p99`."""

    p99: float
    wrong: int
    """Answers of another status or length, or to another id, and connections that ended instead."""

    cpu: float
    """Seconds of CPU that the load took itself."""


@dataclass
class Run:
    """Requests that are still to be sent, and what came back so far."""

    left: int
    until: float
    """`time.perf_counter` after which no request begins."""

    done: asyncio.Event
    open: int = 0
    """Connections at work."""

    latencies: list[float] = field(default_factory=list)
    wrong: int = 0


class Client(asyncio.Protocol):
    """A connection that asks, waits for the whole answer, and asks again."""

    _transport: asyncio.Transport

    def __init__(self, requests: Iterator[tuple[bytes, bytes]], length: int) -> None:
        self._requests = requests
        self._length = length
        self._run: Run | None = None
        self._answer = b""
        self._id = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: the connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, run: Run) -> None:
        """Take part in a run."""
        self._run = run
        run.open += 1
        self._next(run)

    def data_received(self, data: bytes) -> None:
        """Asyncio's: bytes came."""
        self._answer = self._answer + data if self._answer else data
        size = body_length(self._answer)
        if size is None or self._run is None:
            return
        now = time.perf_counter()
        self._run.latencies.append(now - self._sent)
        if size != self._length or self._id not in self._answer or not self._answer.startswith(b"HTTP/1.1 200"):
            self._run.wrong += 1
        self._next(self._run, now)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        """Asyncio's: the connection has ended; its part of the work is left to the others."""
        if self._run is not None:
            self._run.wrong += 1
            self._leave(self._run)

    def _next(self, run: Run, now: float = 0.0) -> None:
        if not run.left or now > run.until:
            self._leave(run)
            return
        run.left -= 1
        self._answer = b""
        request, self._id = next(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def _leave(self, run: Run) -> None:
        self._run = None
        run.open -= 1
        if not run.open:
            run.done.set()


def body_length(answer: bytes) -> int | None:
    """Bytes of an answer's body; None as long as it is not all there."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = answer[:end].lower()
    _, has_length, rest = head.partition(b"\r\ncontent-length:")
    if has_length:
        size = int(rest.split(b"\r\n", 1)[0])
        return size if len(answer) - end - 4 >= size else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        return 0
    return chunks_length(answer, end + 4) if answer.endswith(b"0\r\n\r\n") else None


def chunks_length(answer: bytes, at: int) -> int | None:
    """Bytes in the chunks that begin here, without their frames; None as long as the last one is missing."""
    total = 0
    while (end := answer.find(b"\r\n", at)) >= 0:
        size = int(answer[at:end], 16)
        if not size:
            return total
        total += size
        at = end + 2 + size + 2
    return None


def percentile(ordered: list[float], share: float) -> float:
    """The value that this share of all is not above."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def execute(order: Order) -> Sample:
    """Carry an order out."""
    loop = asyncio.get_running_loop()
    asked = cycle([request(order, number) for number in range(order.first_id, order.first_id + order.ids)])
    clients = [Client(asked, order.length) for _ in range(order.connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", order.port)  # type: ignore[misc]
    warm_up = await send(clients, order.warm, WARMING)
    print(len(warm_up.latencies), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)

    began, cpu = time.perf_counter(), time.process_time()
    run = await send(clients, order.requests, order.seconds)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    ordered = sorted(run.latencies) or [0.0]
    return Sample(len(run.latencies), seconds, percentile(ordered, 0.5), percentile(ordered, 0.99), run.wrong, cpu)


def request(order: Order, number: int) -> tuple[bytes, bytes]:
    """The bytes of a request, and what its answer must have in it."""
    return b"GET %b%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n" % (
        order.path.encode(),
        number,
        order.port,
    ), b"%d" % number


async def send(clients: list[Client], requests: int, seconds: float) -> Run:
    """Have the clients send so many requests, and wait for the answers."""
    run = Run(requests, time.perf_counter() + seconds, asyncio.Event())
    for client in islice(clients, requests):
        client.begin(run)
    if run.open:
        async with asyncio.timeout(seconds + 30):
            await run.done.wait()
    return run


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(execute(Order(**json.loads(sys.argv[1])))))), flush=True)
