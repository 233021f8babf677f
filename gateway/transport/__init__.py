"""The wire: HTTP/1.1 to upstreams. `exchange` is what happens on it; `Transport` owns what is open, and is its face for httpx.

Why not httpx's own: it costs 1 to 3 ms of CPU a call, loses a place of its pool for good when a call is cancelled (encode/httpcore #1093),
and gives the bytes that follow one reply to the next caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import httpx

from gateway.errors import BadReply, CallError, Unreachable
from gateway.policy import TlsPolicy
from gateway.syntax import PORTS
from gateway.transport.body import Body
from gateway.transport.connection import Connection
from gateway.transport.dial import DialState, Origin
from gateway.transport.exchange import exchange
from gateway.transport.names import NamesState, Unknown
from gateway.transport.pool import PoolLimits, PoolState
from gateway.transport.reading import HeadLimits
from gateway.transport.reply import Streamed, Whole
from gateway.transport.request import Outgoing, framed, outgoing
from gateway.transport.services import Service, look_up_services
from gateway.transport.tls import make_context

__all__ = [
    "Body", "HeadLimits", "NamesState", "Outgoing", "PoolLimits", "PoolState", "Service", "Streamed", "Transport", "Unknown", "Whole",
    "WirePolicy", "exchange", "framed", "look_up_services", "make_context", "outgoing",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class WirePolicy:
    """Limits of connections and replies, and the way to origins of which nothing else is said."""

    pool: PoolLimits = field(default_factory=PoolLimits)
    head: HeadLimits = field(default_factory=HeadLimits)
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    connect: float = 1.5
    """Seconds to find and reach a host, its TLS handshake included."""

    uds: str | None = None
    """Path of a Unix socket that all calls go to."""


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over TCP, TLS and Unix sockets.

    httpx's `timeout` of a request is not looked at: who calls has a deadline, and cancels.
    """

    def __init__(self, policy: WirePolicy | None = None, *, names: NamesState | None = None) -> None:
        self._policy = policy or WirePolicy()
        self.names = names or NamesState()
        """Shared with whoever looks for hosts: one look-up serves all."""
        self._dial = DialState(self._policy.connect, self.names)
        self.pools: dict[Origin, PoolState] = {}
        """What is open, for those who measure."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its reply, to be read or closed. Raises `httpx.TransportError`."""
        pool = self.pool(request.url)
        try:
            reply = await exchange(pool, outgoing(request), Streamed)
        except CallError as error:
            raise _as_httpx(error) from error
        headers = [(name, value.rstrip()) for name, value in reply.headers]
        return httpx.Response(reply.status, headers=headers, stream=_Body(reply))

    async def aclose(self) -> None:
        """Close every connection that is idle, and each other one when it is done."""
        pools = list(self.pools.values())
        self.pools.clear()
        for pool in pools:
            pool.close()
        # The loop closes a socket in its next round, which may be its last.
        await asyncio.sleep(0)

    def pool(self, url: httpx.URL) -> PoolState:
        """The connections to a URL's origin. Raises `httpx.UnsupportedProtocol`."""
        return self._pool(_origin(url, self._policy.tls, self._policy.uds))

    def keep(
        self, url: httpx.URL, tls: TlsPolicy | None = None, uds: str | None = None, at: tuple[str, int] | None = None
    ) -> PoolState:
        """The same, by a way of its own, for those who hold on to it until they release it: it stays when nothing is open."""
        pool = self._pool(_origin(url, tls or self._policy.tls, uds or self._policy.uds)._replace(at=at))
        pool.on_empty = None
        pool.keepers += 1
        return pool

    def release(self, pool: PoolState) -> None:
        """Somebody holds on to it no more. When nobody does, what is idle is closed, and what is in use when it is done."""
        pool.keepers -= 1
        if not pool.keepers:
            self.pools = {origin: one for origin, one in self.pools.items() if one is not pool}
            pool.close()

    def _pool(self, origin: Origin) -> PoolState:
        return self.pools.get(origin) or self._new_pool(origin)

    def _new_pool(self, origin: Origin) -> PoolState:
        def connection() -> Connection:
            return Connection(pool.put_back, pool.closed, self._policy.head)

        def forget() -> None:
            # Who is about to try again in it opens a connection that closes behind it.
            pool.close()
            if self.pools.get(origin) is pool:
                del self.pools[origin]

        pool = PoolState(self._policy.pool, connect=partial(self._dial, origin, connection), on_empty=forget)
        self.pools[origin] = pool
        return pool


def _origin(url: httpx.URL, tls: TlsPolicy, uds: str | None) -> Origin:
    port = PORTS.get(url.scheme)
    if port is None or not url.host:
        raise httpx.UnsupportedProtocol("an upstream's URL begins with http:// or https:// and a host")
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or port, tls, uds)


class _Body(httpx.AsyncByteStream):
    """A reply's body as httpx reads it."""

    def __init__(self, reply: Streamed) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._reply:
                yield part
        except CallError as error:
            raise _as_httpx(error) from error

    async def aclose(self) -> None:
        await self._reply.close()


def _as_httpx(error: CallError) -> httpx.TransportError:
    """The error as httpx has it: `httpx.ConnectError` and `httpx.ConnectTimeout` say that nothing was sent."""
    cause = error.__cause__ or error
    if isinstance(error, Unreachable):
        return httpx.ConnectTimeout(str(error)) if isinstance(cause, TimeoutError) else httpx.ConnectError(str(cause))
    return httpx.RemoteProtocolError(str(cause)) if isinstance(error, BadReply) else httpx.ReadError(str(cause))
