"""Passthroughs over real sockets: what is large goes by in little memory, what comes in parts goes in parts, what breaks is seen to."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from gateway import Gateway
from gateway.cli.serve import options
from gateway.transport import Transport

pytestmark = pytest.mark.slow

LARGE = 50 * 1024**2
PART = b"x" * 65_536
GROWTH = 16 * 1024**2
"""Bytes by which the process may grow for all that it passes on."""

CONFIG = """
version: 1
upstreams: {{ files: {{ url: "{url}", transport: {transport} }} }}
endpoints:
  - {{ path: "/{{name}}", timeout: 5s, passthrough: true, steps: {{ file: {{ get: "files /{{path.name}}" }} }} }}
  - {{ path: "/{{name}}", timeout: 5s, passthrough: true, method: POST, steps: {{ file: {{ post: "files /{{path.name}}" }} }} }}
"""

Act = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Files:
    """An upstream that does with each connection what the test says."""

    act: Act | None = None
    port: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """The gateway has closed a connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self.act
        try:
            await self.act(await reader.readuntil(b"\r\n\r\n"), reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    made = Files()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture(params=["fanin", "httpx"])
async def client(request: pytest.FixtureRequest, files: Files) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, served as `gateway serve` does, over both transports to the upstream."""
    config = CONFIG.format(url=f"http://127.0.0.1:{files.port}", transport=request.param)
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=10, verify=False) as made:
        server = uvicorn.Server(uvicorn.Config(Gateway.from_text(config).app, **options()))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        assert (await made.get("/readyz")).status_code == 200
        yield made
        server.should_exit = True
        await serving


@pytest.fixture
async def own_process(files: Files, tmp_path: Path) -> AsyncIterator[tuple[int, httpx.AsyncClient]]:
    """The gateway in a process of its own, with a client."""
    config = tmp_path / "gateway.yaml"
    config.write_text(CONFIG.format(url=f"http://127.0.0.1:{files.port}", transport="fanin"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--config", str(config), "--port", "0", "--admin-port", "0"),
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "GATEWAY_"))}
        | {"GATEWAY_LOG_FORMAT": "text"},
    )
    assert process.stderr
    said = (await process.stderr.readline()).decode()
    base = re.search(r"http://[0-9.:]+", said)
    assert base, said
    # httpx's own transport writes all of a body before it reads.
    async with httpx.AsyncClient(base_url=base[0], transport=Transport()) as made:
        assert (await made.get("/readyz")).status_code == 200
        yield process.pid, made
    process.terminate()
    await process.communicate()


def peak(pid: int) -> int:
    """Bytes that a process has ever had in memory."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("no /proc here")
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) * 1024


async def large() -> AsyncIterator[bytes]:
    for _ in range(LARGE // len(PART)):
        yield PART


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(20):
        await event.wait()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_large_bodies_go_by_in_little_memory(own_process: Any, files: Files, method: str) -> None:
    """50 MiB down, or up and down again at once, by an upstream that sends back what it gets."""
    pid, client = own_process

    async def send(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        left = LARGE
        while left:
            part = PART if method == "GET" else await reader.read(65_536)
            left -= len(part)
            writer.write(part)
            await writer.drain()

    files.act, size, before = send, 0, peak(pid)
    sent = {"content": large(), "headers": {"content-length": str(LARGE)}} if method == "POST" else {}
    async with asyncio.timeout(60), client.stream(method, "/large", **sent) as reply:
        async for part in reply.aiter_raw():
            size += len(part)

    assert size == LARGE
    assert peak(pid) - before < GROWTH


async def test_an_upload_waits_for_an_upstream_that_is_slow(own_process: Any, files: Files) -> None:
    """Of 50 MiB the gateway takes no more than it can give."""
    pid, client = own_process
    goes_on, sent = asyncio.Event(), 0

    async def read_late(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await goes_on.wait()
        await reader.readexactly(LARGE)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    async def counted() -> AsyncIterator[bytes]:
        nonlocal sent
        async for part in large():
            yield part
            sent += len(part)

    files.act = read_late
    before = peak(pid)
    uploading = asyncio.ensure_future(client.post("/a", content=counted(), headers={"content-length": str(LARGE)}))
    quiet = -1
    while quiet != sent or not sent:  # until nobody takes any more
        quiet = sent
        await asyncio.sleep(0.3)
    goes_on.set()

    assert (await uploading).status_code == 201
    assert quiet < LARGE / 2
    assert peak(pid) - before < GROWTH


async def test_each_event_comes_before_the_next_is_sent(client: httpx.AsyncClient, files: Files) -> None:
    """Here the upstream sends one only when the client has had the one before."""
    seen = asyncio.Semaphore(1)
    events = [b"data: %d\n\n" % number for number in range(5)]

    async def tell(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for event in events:
            await seen.acquire()
            writer.write(event)
            await writer.drain()

    files.act = tell
    came = []
    async with asyncio.timeout(10), client.stream("GET", "/events") as reply:
        async for part in reply.aiter_raw():
            came.append(part)
            seen.release()

    assert came == events
    assert reply.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("head", [b"Content-Length: 10", b"Transfer-Encoding: chunked"], ids=["length", "chunks"])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_an_upstream_that_dies_half_way_is_seen_to_have(client: Any, files: Files, head: bytes, how: str) -> None:
    """By a body that does not end; the next request is answered."""

    async def die(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head, b"hello" if b"Length" in head else b"5\r\nhello\r\n"))
        await has_come.wait()
        if how == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def read(reply: httpx.Response) -> None:
        async for part in reply.aiter_raw():
            came.append(part)
            has_come.set()

    files.act, has_come, came = die, asyncio.Event(), []
    async with client.stream("GET", "/half") as reply:
        with pytest.raises(httpx.RemoteProtocolError):
            await read(reply)

    assert came == [b"hello"]
    assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("what", ["before the head", "behind the head", "during the upload"])
async def test_a_client_that_leaves_closes_the_call(client: Any, files: Files, what: str) -> None:
    """The upstream sees its connection end."""
    asked = asyncio.Event()

    async def wait(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if what == "behind the head":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        if what == "during the upload":
            await reader.readexactly(5)
        asked.set()
        await reader.readexactly(1)

    files.act = wait
    host, port = client.base_url.host, client.base_url.port
    _, writer = await asyncio.open_connection(host, port)
    method, announced = ("POST", "Content-Length: 10\r\n") if what == "during the upload" else ("GET", "")
    writer.write(f"{method} /a HTTP/1.1\r\nHost: gateway\r\n{announced}\r\n{'hello' if announced else ''}".encode())
    await until(asked)

    writer.close()

    await until(files.left)


async def test_an_early_answer_ends_the_upload(own_process: Any, files: Files) -> None:
    """An upstream that refuses what is too large does so at once, and its connection is closed."""
    _, client = own_process

    async def refuse(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        while await reader.read(65_536):
            pass
        files.left.set()

    files.act = refuse
    sent = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield PART
        await sent.wait()

    uploading = asyncio.ensure_future(client.post("/a", content=endless()))
    await until(files.left)
    sent.set()

    assert (await uploading).status_code == 413


async def test_the_client_is_told_when_the_origin_made_it(client: httpx.AsyncClient, files: Files) -> None:
    """One `Date`, the reply's own; an answer of ours has ours."""

    async def answer(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n")

    files.act = answer
    theirs, ours = await client.get("/a"), await client.get("/a/b")

    assert theirs.headers.get_list("date") == ["Sun, 06 Nov 1994 08:49:37 GMT"]
    assert (ours.status_code, len(ours.headers.get_list("date"))) == (404, 1)
    assert "1994" not in ours.headers["date"]
