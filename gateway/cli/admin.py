"""The admin side's port: claimed beside the endpoints', and led to its own app."""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from gateway.admin.access import Access, is_loopback
from gateway.admin.app import make_admin
from gateway.admin.sides import Sides
from gateway.app import Gateway
from gateway.cli.ports import Address, Claimed, claim
from gateway.errors import StartError
from gateway.guard import App

PORT = 8081
"""Where it listens unless told otherwise, if nobody else does."""

HOW_TO_MOVE = ("--admin-port or GATEWAY_ADMIN_PORT (0: none)", "--admin-host or GATEWAY_ADMIN_HOST")

_log = logging.getLogger(__name__)
_TOKEN = re.compile(r"[!-~]+")


@contextmanager
def with_side(taken: socket.socket, wanted: Address) -> Iterator[Claimed]:
    """The endpoints' socket, and that of the admin side where there is to be one.

    A port that somebody chose is had or is an error; the usual one may be another gateway's already, and that is told.
    """
    token = read_token()
    if wanted.port != 0 and not token and not is_loopback(wanted.host):
        raise StartError(
            f"beyond this machine, on {wanted.host}, the admin side takes a token: set GATEWAY_ADMIN_TOKEN, or have it listen on 127.0.0.1"
        )
    claimed = Claimed(taken, None if wanted.port == 0 else _claim(wanted))
    with claimed.admin or nullcontext():
        if claimed.admin_port == taken.getsockname()[1]:
            other = HOW_TO_MOVE[0]
            raise StartError(f"port {claimed.admin_port} cannot be both sides'; choose another for the admin side with {other}")
        yield claimed


def _claim(wanted: Address) -> socket.socket | None:
    try:
        return claim(wanted.host, wanted.port or PORT, *HOW_TO_MOVE)
    except StartError as error:
        if wanted.port or not _is_taken(error):
            raise
        _log.warning("fanin has no admin side: %s", error)
        return None


def _is_taken(error: StartError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE


def read_token() -> str | None:
    """What `GATEWAY_ADMIN_TOKEN` says. Raises `StartError` for one that no header can carry, and shows nothing of it."""
    token = os.environ.get("GATEWAY_ADMIN_TOKEN")
    if token and not _TOKEN.fullmatch(token):
        raise StartError("GATEWAY_ADMIN_TOKEN has characters that no header can carry; take printable ASCII without spaces")
    return token or None


def with_admin(gateway: Gateway, port: int, endpoints_port: int | None = None) -> App:
    """The gateway's app, and beside it the admin app on this port; 0 for none."""
    if not port:
        return gateway.app
    return Sides(gateway.app, make_admin(gateway, Access(read_token()), endpoints_port), port, gateway.leave)
