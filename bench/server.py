"""The servers that the peers call: as little HTTP/1.1 as does it, so that they are never what is measured.

A server is a process of its own. It prints its ports as soon as it listens and leaves when its standard input ends, that is with
whoever started it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

import uvloop

Answer = Callable[[str, bytes], bytes | None]
"""Target and body of a request → the body of a 200, or None for a 404."""


class Requests(asyncio.Protocol):
    """A connection: requests as they come, each answered at once."""

    _transport: asyncio.Transport

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: the connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's: bytes came."""
        data = self._rest + data if self._rest else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            start, size = end + 4, 0 if data.startswith(b"GET") else content_length(data[:end])
            if len(data) < start + size:
                break
            _, target, _ = data.split(b" ", 2)
            self._transport.write(response(self._answer(target.decode(), data[start : start + size])))
            data = data[start + size :]
        self._rest = data


def content_length(head: bytes) -> int:
    """Bytes of the body that follows this head; 0 where it does not say."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


def response(body: bytes | None) -> bytes:
    """A reply to the last byte."""
    if body is None:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def serve(answer: Answer, ports: int) -> None:
    """Answer on so many free ports of the loopback until standard input ends."""
    uvloop.run(_serve(answer, ports))


async def _serve(answer: Answer, ports: int) -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(partial(Requests, answer), "127.0.0.1", 0, backlog=1024) for _ in range(ports)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
