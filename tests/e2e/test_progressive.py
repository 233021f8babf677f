"""Answers in parts over real sockets: the first is there before the last is made, and who leaves or does not read is let go."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from gateway.inbound import delivery

pytestmark = pytest.mark.slow

REQUEST = b"GET /v1/home/42 HTTP/1.1\r\nHost: gateway\r\nAccept: text/event-stream\r\n\r\n"


async def until(reader: asyncio.StreamReader, text: bytes) -> bytes:
    """What comes until this has come."""
    async with asyncio.timeout(20):
        return await reader.readuntil(text)


async def test_the_first_part_is_there_before_the_last_is_made(served: Any, services: Any) -> None:
    """What hangs holds up nothing but itself, and the connection serves the next request."""
    await services["recommendations"].chaos(mode="hang")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(REQUEST)

    head = await until(reader, b"\r\n\r\n")
    first = await until(reader, b"\n\n")
    assert await services["recommendations"].becomes(in_flight=1)
    rest = await until(reader, b"\r\n0\r\n\r\n")

    assert b"transfer-encoding: chunked" in head
    assert b'event: part\nid: 1\ndata: {"name":"user"' in first
    assert b'"name":"recommendations","value":[],"errors":[' in rest
    assert b"event: end" in rest
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
    assert (await until(reader, b"\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_client_that_leaves_after_the_first_part_ends_the_others(served: Any, services: Any) -> None:
    """The upstream that still works for it sees its caller leave."""
    await services["recommendations"].chaos(mode="hang")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(REQUEST)
    await until(reader, b"event: part")
    assert await services["recommendations"].becomes(in_flight=1)

    writer.close()

    assert await services["recommendations"].becomes(in_flight=0, abandoned=1)
    async with asyncio.timeout(20):
        trace = await served.traces.get()
    assert not trace.root.error
    assert all(span.end for span in trace.spans)


async def test_a_client_that_does_not_read_loses_its_connection(
    served: Any, services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When what it has not taken fills all that is in between, and its time for a piece is up."""
    monkeypatch.setattr(delivery, "PATIENCE", 0.3)
    monkeypatch.setattr("gateway.inbound.events.encode_json", lambda _: b'"%b"' % (b"x" * 8_000_000))
    unread = socket.socket()
    unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().run_in_executor(None, unread.connect, ("127.0.0.1", served.port))

    unread.sendall(REQUEST)
    async with asyncio.timeout(20):
        trace = await served.traces.get()

    assert not trace.root.error
    received = await asyncio.get_running_loop().run_in_executor(None, _drain, unread)
    assert received < 20_000_000
    assert (await served.home()).status_code == 200


def _drain(unread: socket.socket) -> int:
    """The bytes that come until the connection ends, which has to be soon."""
    unread.settimeout(20)
    with unread:
        return sum(len(part) for part in iter(lambda: unread.recv(65536), b""))
