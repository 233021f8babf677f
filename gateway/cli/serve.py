"""`gateway serve`: the endpoints on a port, in one process or several."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gateway.app import Gateway
from gateway.cli.admin import with_admin, with_side
from gateway.cli.classes import find_classes
from gateway.cli.journal import NONE, named, with_journal
from gateway.cli.listener import Listener
from gateway.cli.ports import Address, Claimed, claim, doors, url_of
from gateway.errors import StartError
from gateway.events import SERVING
from gateway.guard import App
from gateway.logs import ALWAYS, LogPolicy, begin_logging, logging_to
from gateway.redaction import Redaction

GRACE = 20
"""Seconds that requests in flight may take when the gateway stops."""

GARBAGE = 20_000
"""Objects that may be made, beyond those let go, before somebody looks for garbage. Python looks after 700, which a few requests in flight
are already."""

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


def serve_config(
    config: Path,
    classes: Sequence[str],
    host: str,
    port: int,
    admin: Address,
    workers: int,
    journal: str | None = None,
    logs: LogPolicy | None = None,
    *,
    inject: bool = False,
) -> None:
    """Serve until told to stop. Raises `ConfigError`, `StartError` before anything is started."""
    leave_quietly()
    logs = logs or LogPolicy()
    with logging_to(sys.stderr, logs) as redaction, ExitStack() as stack:
        gateway = Gateway.load(config, endpoints=find_classes(classes), inject=inject)
        redaction.learn(gateway.secrets)
        taken = stack.enter_context(claim(host, port, "--port or GATEWAY_PORT"))
        claimed = stack.enter_context(with_side(taken, admin))
        more = stack.enter_context(doors(taken))
        file = stack.enter_context(with_journal(journal, has_readers=claimed.admin is not None))
        _announce(config, len(gateway.plans), claimed)
        sockets = [*more[1:], *claimed.sockets]
        if workers > 1:
            os.environ |= {"GATEWAY_CONFIG": str(config), "GATEWAY_ENDPOINTS": " ".join(classes), "GATEWAY_INJECT": "1" * inject}
            os.environ |= {"GATEWAY_PORT": str(claimed.port), "GATEWAY_ADMIN_PORT": str(claimed.admin_port)}
            os.environ |= {"GATEWAY_JOURNAL": named(file), "GATEWAY_LOG_FORMAT": logs.form, "GATEWAY_LOG_LEVEL": logs.level}
            stack.enter_context(shared_board())
            _supervise(sockets, workers)
            return
        gateway.journal = file
        server = uvicorn.Server(uvicorn.Config(with_admin(gateway, claimed.admin_port, claimed.port), **options()))
        leave_to(server)
        spare_the_collector()
        with startup_failure_told():
            server.run(sockets=sockets)


def _announce(config: Path, count: int, claimed: Claimed) -> None:
    """The line that it begins with."""
    url = url_of(claimed.endpoints)
    admin = f"{url_of(claimed.admin)}/api" if claimed.admin else None
    endpoints = f"{count} endpoint{'s' if count != 1 else ''}"
    administered = f", administered on {admin}" if admin else ""
    told = SERVING.of(endpoints=count, config=str(config), url=url, admin=admin)
    ALWAYS.info("fanin serves %s of %s on %s, documented at %s/docs%s", endpoints, config, url, url, administered, extra=told)


def _supervise(sockets: list[socket.socket], workers: int) -> None:
    """Each worker is a process of its own, and reads the config that the environment names again."""
    settings = uvicorn.Config("gateway.cli.serve:make_app", factory=True, workers=workers, **options())
    supervisor = Multiprocess(settings, sockets=sockets)
    supervisor.run()
    with startup_failure_told():
        # The supervisor gives up when a worker cannot start, and says so in its log alone.
        if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
            sys.exit(STARTUP_FAILURE)


@contextmanager
def shared_board() -> Iterator[None]:
    """A file in which the workers tell each other what is purged, and where it is in their environment."""
    if os.name != "posix":
        yield  # it takes locks that Windows has not: there each worker has its purges for itself
        return
    with TemporaryDirectory(prefix="fanin-") as folder:
        os.environ["GATEWAY_BOARD"] = f"{folder}/purges"
        try:
            yield
        finally:
            del os.environ["GATEWAY_BOARD"]


def make_app() -> App:
    """The app of a worker process, with the admin side's beside it where there is one."""
    environ, redaction = os.environ, Redaction()
    begin_logging(sys.stderr, LogPolicy.of(environ), redaction)
    classes = find_classes(environ.get("GATEWAY_ENDPOINTS", "").split())
    file = environ.get("GATEWAY_JOURNAL", NONE)
    journal = None if file == NONE else Path(file)
    gateway = Gateway.load(
        environ["GATEWAY_CONFIG"], endpoints=classes, inject=bool(environ.get("GATEWAY_INJECT")), journal=journal
    )
    redaction.learn(gateway.secrets)
    gateway.board = Path(environ["GATEWAY_BOARD"]) if "GATEWAY_BOARD" in environ else None
    spare_the_collector()
    return with_admin(gateway, int(environ.get("GATEWAY_ADMIN_PORT", "0")), int(environ.get("GATEWAY_PORT", "0")) or None)


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


def options() -> dict[str, Any]:
    """How uvicorn is run: an answer in one write, nothing in it that tells what we are, no proxy header believed."""
    return {
        "http": Listener,
        "interface": "asgi3",
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
        "date_header": True,  # 0.5 µs a request, and a server that has a clock must (RFC 9110, section 6.6.1)
        "proxy_headers": False,
        "access_log": False,
        "log_config": None,  # its words go where all others go
        "log_level": "warning",
        "timeout_graceful_shutdown": GRACE,
    }
