"""An origin → a connection to it: the name looked up, an address reached, the other side verified."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.errors import Unreachable
from gateway.policy import TlsPolicy
from gateway.transport.connection import Connection
from gateway.transport.names import NamesState, Unknown
from gateway.transport.tls import make_context


class Origin(NamedTuple):
    """What a connection is to, and by which way."""

    scheme: str
    host: str
    """The name as it goes over the wire, not as it is shown to people."""

    port: int
    tls: TlsPolicy = TlsPolicy()
    uds: str | None = None
    """Path of a Unix socket that leads there."""

    at: tuple[str, int] | None = None
    """Host and port to connect to in its place; whom the other side must prove to be stays the same."""

    @property
    def where(self) -> tuple[str, int]:
        """Host and port to connect to."""
        return self.at or (self.host, self.port)


@dataclass(slots=True)
class DialState:
    """Makes connections."""

    limit: float
    """Seconds to find and reach a host, its TLS handshake included."""

    names: NamesState = field(default_factory=NamesState)
    contexts: dict[TlsPolicy, ssl.SSLContext] = field(default_factory=dict, repr=False)
    """Certificates are read once, and only when somebody speaks TLS."""

    async def __call__(self, origin: Origin, make: Callable[[], Connection]) -> Connection:
        """A connection that stands. Raises `Unreachable`."""
        try:
            async with asyncio.timeout(self.limit):
                connection = await self._reach(origin, make)
        except (OSError, UnicodeError, Unknown) as error:  # TimeoutError is an OSError
            self.names.doubt(origin.where[0])
            raise Unreachable("no connection") from error
        if connection.is_closed:
            raise Unreachable("no connection") from EOFError("it ended before it was used")
        return connection

    async def _reach(self, origin: Origin, make: Callable[[], Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        # What TLS takes for no name it refuses only after asyncio has opened a socket, which then nobody closes.
        origin.host.encode("idna")
        tls, name = (self._context(origin.tls), origin.host) if origin.scheme == "https" else (None, None)
        if origin.uds is not None:
            return (await loop.create_unix_connection(make, origin.uds, ssl=tls, server_hostname=name))[1]
        host, port = origin.where
        *others, last = await self.names.addresses(host)
        for address in others:
            # A host that is gone must leave time for the next.
            try:
                async with asyncio.timeout(self.limit / (len(others) + 1)):
                    return (await loop.create_connection(make, address, port, ssl=tls, server_hostname=name))[1]
            except OSError:  # TimeoutError is one
                continue
        return (await loop.create_connection(make, last, port, ssl=tls, server_hostname=name))[1]

    def _context(self, policy: TlsPolicy) -> ssl.SSLContext:
        if policy not in self.contexts:
            self.contexts[policy] = make_context(policy)
        return self.contexts[policy]
