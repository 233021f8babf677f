"""``python -m services users``: one service on its own port, until SIGTERM or SIGINT.

``--port 0`` takes any free port; the line on standard output tells which. Status 1: the address cannot be had.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType

from services import PORTS, create, describe

HOST = "127.0.0.1"
STOPPING = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a service until it is told to stop; give the exit status."""
    asked = _parser().parse_args(argv)
    if asked.openapi:
        print(json.dumps(describe(asked.name), indent=2))
        return 0
    port = PORTS[asked.name] if asked.port is None else asked.port
    try:
        listener = listen(asked.host, port)
    except OSError as error:
        print(f"{asked.name}: {_reason(error, asked.host, port)}", file=sys.stderr)
        return 1
    for stop in STOPPING:
        signal.signal(stop, _leave)
    serve(asked.name, listener)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """Take the address, before anything slow is imported; `OSError` if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def serve(name: str, listener: socket.socket) -> None:
    """Answer what comes in. Ends within a second of a stop signal, hung calls or not."""
    import uvicorn

    from services.wire import WireProtocol

    config = uvicorn.Config(
        create(name),
        http=WireProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,  # never reached: the protocol lets go of its calls earlier
    )
    server = uvicorn.Server(config)
    for stop in STOPPING:
        # From here on it is for the server to act upon: left alone it does so only once it serves.
        signal.signal(stop, server.handle_exit)
    print(f"{name} on {_url(listener)}", flush=True)
    server.run(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services",
        description="Run one of the mock services.",
        epilog="example: python -m services users --port 9101",
    )
    usual = ", ".join(f"{port} for {name}" for name, port in PORTS.items())
    parser.add_argument("name", choices=PORTS, help="which one")
    parser.add_argument("--openapi", action="store_true", help="print its OpenAPI document, and serve nothing")
    parser.add_argument(
        "--host",
        default=os.environ.get("SERVICES_HOST") or HOST,
        help=f"address to listen on (SERVICES_HOST, else {HOST})",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=os.environ.get("SERVICES_PORT") or None,
        help=f"port to listen on, 0 for any free one (SERVICES_PORT, else {usual})",
    )
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _reason(error: OSError, host: str, port: int) -> str:
    remedy = "choose another with --port or SERVICES_PORT"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is already in use; {remedy}"
    return f"cannot listen on {host} port {port}: {error.strerror}; {remedy}, or --host or SERVICES_HOST"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # Being told to stop is no failure.
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
