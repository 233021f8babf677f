"""Sockets to listen on: claimed before anything is started, with errors that say what to do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from gateway.errors import StartError

DOORS = 16
"""Times that the socket is listened on. Each time that the loop comes by it accepts one connection of each (libuv, since 1.45). Where it has
so much to do that it comes by every 40 ms only, with a single one a hundred new clients would wait for four seconds."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int | None
    """None: the usual one, if it is free."""


class Claimed(NamedTuple):
    """The sockets that a gateway listens on."""

    endpoints: socket.socket
    admin: socket.socket | None

    @property
    def port(self) -> int:
        """The endpoints'."""
        return int(self.endpoints.getsockname()[1])

    @property
    def admin_port(self) -> int:
        """0 where there is no admin side."""
        return int(self.admin.getsockname()[1]) if self.admin else 0

    @property
    def sockets(self) -> list[socket.socket]:
        """All of them."""
        return [self.endpoints, self.admin] if self.admin else [self.endpoints]


def url_of(taken: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def claim(host: str, port: int, other_port: str, other_host: str = "--host or GATEWAY_HOST") -> socket.socket:
    """A listening socket on this address. Raises `StartError` that names the port and says how to choose another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    # Without it a restart has to wait for the old connections to be forgotten; it does not take a port from a listener.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(2048)
    except (OSError, TypeError) as error:  # TypeError: a name that IDNA cannot encode
        taken.close()
        raise StartError(refusal(error, host, port, other_port, other_host)) from error
    taken.set_inheritable(True)
    return taken


@contextmanager
def doors(taken: socket.socket) -> Iterator[list[socket.socket]]:
    """A listening socket, as often as it is to be listened on; the copies are closed in the end."""
    with ExitStack() as copies:
        yield [taken, *(copies.enter_context(taken.dup()) for _ in range(DOORS - 1))]


def refusal(error: OSError | TypeError, host: str, port: int, other_port: str, other_host: str) -> str:
    """Why an address cannot be listened on, and what to do about it."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; choose another with {other_port}"
    if number in (errno.EACCES, errno.EPERM):
        return f"port {port} on {host} is not for this user to listen on; choose another with {other_port}"
    reason = error.strerror if isinstance(error, OSError) else "not a host name"
    return f"cannot listen on {host}: {reason}; choose another address with {other_host}"
