"""`gateway serve`: the endpoints on a port, in one process or several."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from gateway.app import Gateway
from gateway.errors import StartError

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE = 20
"""Seconds that requests in flight may take when the gateway stops."""


def leave_quietly() -> None:
    """Ctrl-C and SIGTERM end the process with status 0, once the server has let go.

    uvicorn handles both while it serves, and raises them again afterwards for whoever was there before: that is this.
    """

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)


def serve_config(config: Path, host: str, port: int, workers: int) -> None:
    """Serve until told to stop. Raises `ConfigError`, `StartError` before anything is started."""
    leave_quietly()
    gateway = Gateway.load(config)
    taken = claim(host, port, "--port or GATEWAY_PORT")
    count = len(gateway.plans)
    where = url_of(taken)
    print(
        f"fanin serves {count} endpoint{'s' if count != 1 else ''} of {config} on {where}, documented at {where}/docs",
        file=sys.stderr,
    )
    if workers == 1:
        uvicorn.Server(uvicorn.Config(gateway.app, **options())).run(sockets=[taken])
        return
    # Each worker is a process of its own and reads the config again.
    os.environ["GATEWAY_CONFIG"] = str(config)
    settings = uvicorn.Config("gateway.cli.serve:make_app", factory=True, workers=workers, **options())
    Multiprocess(settings, sockets=[taken]).run()


def make_app() -> FastAPI:
    """The app of a worker process."""
    return Gateway.load(os.environ["GATEWAY_CONFIG"]).app


def url_of(taken: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def options() -> dict[str, Any]:
    """How uvicorn is run: the strict and quick parser, nothing in the answer that tells what we are, no proxy header believed."""
    return {
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
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
    except OSError as error:
        taken.close()
        reason = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error.strerror}"
        raise StartError(f"port {port} on {host} {reason}; choose another with {how_to_change}") from error
    taken.set_inheritable(True)
    return taken
