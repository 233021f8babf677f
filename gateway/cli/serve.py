"""`gateway serve`: the endpoints on a port, in one process or several."""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gateway.app import Gateway
from gateway.cli.classes import find_classes
from gateway.cli.listener import Listener
from gateway.errors import StartError

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE = 20
"""Seconds that requests in flight may take when the gateway stops."""

GARBAGE = 20_000
"""Objects that may be made, beyond those let go, before somebody looks for garbage. Python looks after 700, which a few requests in flight
are already."""

DOORS = 16
"""Times that the socket is listened on. Each time that the loop comes by it accepts one connection of each (libuv, since 1.45). Where it has
so much to do that it comes by every 40 ms only, with a single one a hundred new clients would wait for four seconds."""

STOPPING = (signal.SIGINT, signal.SIGTERM)


def leave_quietly() -> None:
    """Ctrl-C and SIGTERM end the process with status 0, whatever it is doing."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in STOPPING:
        signal.signal(number, leave)


def leave_to(server: uvicorn.Server) -> None:
    """Ctrl-C and SIGTERM are this server's to act upon, from now on and not only once it serves.

    Until then an exception would do nearly always: Python drops one that is raised in the callback of a weak reference, and the
    signal is lost.
    """
    for number in STOPPING:
        signal.signal(number, server.handle_exit)


def serve_config(config: Path, classes: Sequence[str], host: str, port: int, workers: int, *, inject: bool = False) -> None:
    """Serve until told to stop. Raises `ConfigError`, `StartError` before anything is started."""
    leave_quietly()
    gateway = Gateway.load(config, endpoints=find_classes(classes), inject=inject)
    count = len(gateway.plans)
    with claim(host, port, "--port or GATEWAY_PORT") as taken, doors(taken) as sockets:
        where = url_of(taken)
        print(
            f"fanin serves {count} endpoint{'s' if count != 1 else ''} of {config} on {where}, documented at {where}/docs",
            file=sys.stderr,
        )
        if workers > 1:
            os.environ |= {"GATEWAY_CONFIG": str(config), "GATEWAY_ENDPOINTS": " ".join(classes), "GATEWAY_INJECT": "1" * inject}
            _supervise(sockets, workers)
            return
        server = uvicorn.Server(uvicorn.Config(gateway.app, **options()))
        leave_to(server)
        spare_the_collector()
        with startup_failure_told():
            server.run(sockets=sockets)


def _supervise(sockets: list[socket.socket], workers: int) -> None:
    """Each worker is a process of its own, and reads the config that the environment names again."""
    settings = uvicorn.Config("gateway.cli.serve:make_app", factory=True, workers=workers, **options())
    supervisor = Multiprocess(settings, sockets=sockets)
    supervisor.run()
    with startup_failure_told():
        # The supervisor gives up when a worker cannot start, and says so in its log alone.
        if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
            sys.exit(STARTUP_FAILURE)


def make_app() -> FastAPI:
    """The app of a worker process."""
    environ = os.environ
    classes = find_classes(environ.get("GATEWAY_ENDPOINTS", "").split())
    gateway = Gateway.load(environ["GATEWAY_CONFIG"], endpoints=classes, inject=bool(environ.get("GATEWAY_INJECT")))
    spare_the_collector()
    return gateway.app


def spare_the_collector() -> None:
    """Have garbage looked for rarely, and never in what has been loaded: doing it costs a sixth of a request's CPU, and finds nothing.

    An answer leaves nothing behind that reference counting does not free; failures do.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])


@contextmanager
def startup_failure_told() -> Iterator[None]:
    """The exit status of uvicorn for an app that does not start becomes a `StartError`."""
    try:
        yield
    except SystemExit as left:
        if left.code != STARTUP_FAILURE:
            raise
        raise StartError("the gateway could not start; the reason stands above") from left


def url_of(taken: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def options() -> dict[str, Any]:
    """How uvicorn is run: an answer in one write, nothing in it that tells what we are, no proxy header believed."""
    return {
        "http": Listener,
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
        "date_header": True,  # 0.5 µs a request, and a server that has a clock must (RFC 9110, section 6.6.1)
        "proxy_headers": False,
        "access_log": False,
        "log_level": "warning",
        "timeout_graceful_shutdown": GRACE,
    }


def claim(host: str, port: int, how_to_change: str) -> socket.socket:
    """A listening socket on this address. Raises `StartError` that names the port and how to change it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    # Without it a restart has to wait for the old connections to be forgotten; it does not take a port from a listener.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(2048)
    except (OSError, TypeError) as error:  # TypeError: a name that IDNA cannot encode
        taken.close()
        raise StartError(refusal(error, host, port, how_to_change)) from error
    taken.set_inheritable(True)
    return taken


@contextmanager
def doors(taken: socket.socket) -> Iterator[list[socket.socket]]:
    """A listening socket, as often as it is to be listened on; the copies are closed in the end."""
    with ExitStack() as copies:
        yield [taken, *(copies.enter_context(taken.dup()) for _ in range(DOORS - 1))]


def refusal(error: OSError | TypeError, host: str, port: int, how_to_change: str) -> str:
    """Why an address cannot be listened on, and what to do about it."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; choose another with {how_to_change}"
    if number in (errno.EACCES, errno.EPERM):
        return f"port {port} on {host} is not for this user to listen on; choose another with {how_to_change}"
    reason = error.strerror if isinstance(error, OSError) else "not a host name"
    return f"cannot listen on {host}: {reason}; choose another address with --host or GATEWAY_HOST"
