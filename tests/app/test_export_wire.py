"""Spans over real sockets: compressed, encrypted, refused for a while, and left to go when the gateway stops."""

from __future__ import annotations

import asyncio
import gc
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trustme
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.export import Tracing
from gateway.export.collector import Collector
from gateway.export.settings import CollectorPolicy
from gateway.telemetry import SpanType

pytestmark = pytest.mark.slow

OK, BUSY, SILENT = b"200 OK", b"503 Service Unavailable", b""
Environ: TypeAlias = dict[str, str]


@dataclass
class Receiver:
    """A collector on loopback, on connections that stay open."""

    url: str = ""
    replies: list[bytes] = field(default_factory=list)
    """Statuses, or silence; when they are used up it is always 200."""

    heads: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of the spans that it took."""

    took: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has taken some."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                body = await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
                self.heads.append(head)
                status = self.replies.pop(0) if self.replies else OK
                if status == SILENT:
                    await reader.readexactly(1)
                if status == OK:
                    self._keep(gzip.decompress(body) if "content-encoding: gzip" in head else body)
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _keep(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.names += [span.name for span in group.scope_spans[0].spans]
        self.took.set()


@pytest.fixture
async def receiving() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """Starts collectors."""
    started: list[tuple[Receiver, asyncio.Server]] = []

    async def start(tls: ssl.SSLContext | None = None) -> Receiver:
        receiver = Receiver()
        server = await asyncio.start_server(receiver.accept, "127.0.0.1", 0, ssl=tls)
        receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.append((receiver, server))
        return receiver

    yield start
    for receiver, server in started:
        server.close()
        for task in receiver.tasks:
            task.cancel()
        await asyncio.gather(*receiver.tasks, return_exceptions=True)


@pytest.fixture
async def exporting() -> AsyncIterator[Callable[..., Tracing]]:
    """Starts tracing in an environment; it is stopped in the end."""
    started: list[Tracing] = []

    def start(receiver: Receiver, **environ: str) -> Tracing:
        tracing = Tracing()
        tracing.start({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **environ})
        started.append(tracing)
        return tracing

    yield start
    for tracing in started:
        await tracing.stop()


def _trace(tracing: Tracing, name: str = "GET /home") -> None:
    tracing.finish(tracing.begin(SpanType(name, "server"), {}, dict))


async def test_spans_leave_compressed_and_with_their_headers(receiving: Any, exporting: Any) -> None:
    """As the environment says; batch after batch over one connection."""
    receiver = await receiving()
    tracing = exporting(
        receiver,
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_HEADERS="x-token=secret",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="1",
    )

    for name in ("one", "two", "three"):
        _trace(tracing, name)
    await tracing.stop()

    assert receiver.names == ["one", "two", "three"]
    assert all("x-token: secret" in head and "content-encoding: gzip" in head for head in receiver.heads)
    assert len(receiver.tasks) == 1


async def test_spans_arrive_when_the_collector_is_back(receiving: Any, exporting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that is busy for a while costs none of them."""
    monkeypatch.setattr("gateway.export.collector.FIRST_PAUSE", 0.01)
    receiver = await receiving()
    receiver.replies = [BUSY, BUSY]
    tracing = exporting(receiver, OTEL_BSP_SCHEDULE_DELAY="1")

    _trace(tracing)
    async with asyncio.timeout(20):
        await receiver.took.wait()

    assert len(receiver.heads) == 3
    assert receiver.names == ["GET /home"]


async def test_spans_leave_encrypted_to_a_collector_that_knows_us(receiving: Any, exporting: Any, tmp_path: Path) -> None:
    """Certificates of both sides, as the environment names them."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("gateway@fanin.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    receiver = await receiving(context)
    tracing = exporting(
        receiver,
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(tmp_path / "ca.pem"),
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(tmp_path / "client.pem"),
    )

    _trace(tracing)
    await tracing.stop()

    assert receiver.names == ["GET /home"]


async def test_a_batch_leaves_no_garbage(receiving: Any) -> None:
    """The garbage collector comes rarely in a gateway: half a megabyte a batch cannot wait for it."""
    receiver = await receiving()
    collector = Collector(CollectorPolicy(f"{receiver.url}/v1/traces"))
    await collector.take(b"")
    gc.collect()
    gc.disable()

    for _ in range(5):
        await collector.take(b"")
    found = gc.collect()

    gc.enable()
    await collector.close()
    assert len(receiver.heads) == 6
    assert found < 5  # not one a batch


async def test_a_large_batch_crosses_the_wire_whole(receiving: Any, exporting: Any) -> None:
    """Hundreds of kilobytes, more than a socket takes at once."""
    receiver = await receiving()
    tracing = exporting(receiver)

    for number in range(5000):
        _trace(tracing, f"GET /{number}{'x' * 100}")
    await tracing.stop()

    assert len(receiver.names) == 5000
    assert 5 <= len(receiver.heads) <= 6


async def test_a_collector_that_hangs_costs_spans_and_nothing_else(
    receiving: Any, exporting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What there is no room for is lost, and so is a batch whose time is up; the log is told, and those after it go."""
    receiver = await receiving()
    receiver.replies = [SILENT]
    tracing = exporting(
        receiver, OTEL_BSP_MAX_QUEUE_SIZE="10", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="5", OTEL_EXPORTER_OTLP_TIMEOUT="0.2"
    )

    for _ in range(1000):
        _trace(tracing)
    async with asyncio.timeout(20):
        await receiver.took.wait()
    await tracing.stop()

    assert receiver.names == ["GET /home"] * 5
    assert [record.getMessage() for record in caplog.records] == [
        "1 spans lost: they come faster than they are taken",
        "994 spans lost until the gateway stopped",
    ]
