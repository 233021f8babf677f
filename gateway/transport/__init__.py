"""The wire: HTTP/1.1 to upstreams, as an `httpx` transport.

    1  take a connection of the origin's pool, or open one
    2  write the request; from here on something was sent
    3  wait for the head of the reply; its body is read as it is asked for
    4  the connection goes back when the last byte has come and nothing else; in every other case it is closed

`httpx.ConnectError`, `httpx.ConnectTimeout` and `httpx.LocalProtocolError` say that nothing was sent; after every other error nobody knows.
There are no time limits beyond the connection's: who calls has a deadline and cancels.

Why not httpx's own: it costs 1 to 3 ms of CPU a call, loses a place of its pool for good when a call is cancelled (encode/httpcore #1093),
and gives the bytes that follow one reply to the next caller.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import httpx

from gateway.transport.connection import Connection
from gateway.transport.names import NamesState, Unknown
from gateway.transport.pool import PoolLimits, PoolState
from gateway.transport.reply import Broken, HeadLimits, Incoming, as_httpx
from gateway.transport.request import Outgoing, outgoing
from gateway.transport.tls import TlsPolicy

__all__ = ["HeadLimits", "NamesState", "PoolLimits", "TlsPolicy", "Transport", "WirePolicy"]

PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What a connection is to."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class WirePolicy:
    """Limits of connections and replies."""

    pool: PoolLimits = field(default_factory=PoolLimits)
    head: HeadLimits = field(default_factory=HeadLimits)
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    connect: float = 1.5
    """Seconds to find and reach a host, its TLS handshake included."""

    uds: str | None = None
    """Path of a Unix socket that all calls go to."""


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over TCP, TLS and Unix sockets."""

    def __init__(self, policy: WirePolicy | None = None, *, names: NamesState | None = None) -> None:
        self._policy = policy or WirePolicy()
        self._names = names or NamesState()
        self.pools: dict[Origin, PoolState] = {}
        """What is open, for those who measure."""
        self._tls: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its reply, to be read or closed. Raises `httpx.TransportError`."""
        origin = _origin(request.url)
        pool = self.pools.get(origin) or self._new_pool(origin)
        ready = outgoing(request)
        connection = await pool.take()  # 1
        try:
            return await _exchange(connection, ready)
        except Broken as error:
            if not (error.unread and connection.uses > 1 and ready.can_repeat):
                raise as_httpx(error) from error
        # The upstream closed an idle connection just as it was used: nothing came back, and asking again is safe. Once, and on a
        # connection that nobody has used before.
        try:
            return await _exchange(await pool.take(fresh=True), ready)
        except Broken as error:
            raise as_httpx(error) from error

    async def aclose(self) -> None:
        """Close every connection that is idle, and each other one when it is done."""
        for pool in self.pools.values():
            pool.close()
        self.pools.clear()
        # The loop closes a socket in its next round, which may be its last.
        await asyncio.sleep(0)

    def _new_pool(self, origin: Origin) -> PoolState:
        pool = self.pools[origin] = PoolState(self._policy.pool, connect=lambda: self._connect(origin, pool))
        return pool

    async def _connect(self, origin: Origin, pool: PoolState) -> Connection:
        make = partial(Connection, pool.put_back, pool.closed, self._policy.head)
        try:
            async with asyncio.timeout(self._policy.connect):
                connection = await self._reach(origin, make)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection within {self._policy.connect} s") from error
        except (OSError, UnicodeError, Unknown) as error:
            raise httpx.ConnectError(str(error)) from error
        if connection.is_closed:
            raise httpx.ConnectError("the connection ended before it was used")
        return connection

    async def _reach(self, origin: Origin, make: partial[Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        # What TLS takes for no name it refuses only after asyncio has opened a socket, which then nobody closes.
        origin.host.encode("idna")
        tls, name = (self._context(), origin.host) if origin.scheme == "https" else (None, None)
        if self._policy.uds is not None:
            return (await loop.create_unix_connection(make, self._policy.uds, ssl=tls, server_hostname=name))[1]
        *others, last = await self._names.addresses(origin.host)
        for address in others:
            # A host that is gone must leave time for the next.
            try:
                async with asyncio.timeout(self._policy.connect / (len(others) + 1)):
                    return (await loop.create_connection(make, address, origin.port, ssl=tls, server_hostname=name))[1]
            except OSError:  # TimeoutError is one
                continue
        return (await loop.create_connection(make, last, origin.port, ssl=tls, server_hostname=name))[1]

    def _context(self) -> ssl.SSLContext:
        # Certificates are read once, and only when somebody speaks TLS.
        if self._tls is None:
            self._tls = self._policy.tls.context()
        return self._tls


def _origin(url: httpx.URL) -> Origin:
    port = PORTS.get(url.scheme)
    if port is None or not url.host:
        raise httpx.UnsupportedProtocol("an upstream's URL begins with http:// or https:// and a host")
    # Raw: the name as it goes over the wire, not as it is shown to people.
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or port)


async def _exchange(connection: Connection, ready: Outgoing) -> httpx.Response:
    incoming = connection.begin(ready)  # 2
    try:
        if ready.body is None:
            await incoming.head()  # 3
        else:
            await _upload(connection, incoming, ready.body)
    except BaseException:
        incoming.drop()
        raise
    return httpx.Response(incoming.status, headers=incoming.headers, stream=incoming)


async def _upload(connection: Connection, incoming: Incoming, body: AsyncIterator[bytes]) -> None:
    """Send a body and wait for the head of the reply. One that comes early ends the sending: it will not get better by more."""
    sending, head = asyncio.ensure_future(connection.send(body)), asyncio.ensure_future(incoming.head())
    try:
        await asyncio.wait((sending, head), return_when=asyncio.FIRST_COMPLETED)
        if not head.done():
            sending.result()
        await head
    finally:
        sending.cancel()
        head.cancel()
        await asyncio.gather(sending, head, return_exceptions=True)
