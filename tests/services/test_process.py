"""A service as a process: its address, its refusals, its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from services import PORTS, create

ROOT = Path(__file__).parents[2]


def test_importing_the_package_is_cheap() -> None:
    """Who only wants the ports does not load the web framework."""
    code = "import sys; from services import PORTS; sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=20, check=False)

    assert done.returncode == 0


def test_every_service_has_its_own_port() -> None:
    """The names and ports that everybody knows."""
    assert dict(PORTS) == {"users": 9101, "orders": 9102, "catalog": 9103, "recommendations": 9104}


def test_an_unknown_service_cannot_be_created() -> None:
    """A name that no service has is a `KeyError`."""
    with pytest.raises(KeyError, match="payments"):
        create("payments")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["flag", "environment"])
def test_a_port_in_use_is_one_clear_line(start: Any, how: str) -> None:
    """The line names the port and how to change it; status 1 and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start("users", "--port", port) if how == "flag" else start("users", SERVICES_PORT=port)
        output, complaint = process.communicate(timeout=10)

    assert process.returncode == 1
    assert output == ""
    assert len(complaint.splitlines()) == 1
    assert all(word in complaint for word in (port, "in use", "--port", "SERVICES_PORT"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "environ", "status"),
    [
        (["payments"], {}, 2),
        (["users", "--port", "99999"], {}, 2),
        (["users"], {"SERVICES_PORT": "http"}, 2),
        (["users", "--host", "192.0.2.1", "--port", "0"], {}, 1),
        (["users", "--port", "0"], {"SERVICES_HOST": "no such host"}, 1),
    ],
    ids=str,
)
def test_an_address_that_cannot_be_had_is_no_traceback(
    start: Any, arguments: list[str], environ: dict[str, str], status: int
) -> None:
    """A wrong name or port is status 2, an address of somebody else status 1, each with its reason."""
    process = start(*arguments, **environ)

    _, complaint = process.communicate(timeout=10)

    assert process.returncode == status
    assert complaint.strip()
    assert "Traceback" not in complaint


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_in_time_with_a_hung_call(start: Any, stop: signal.Signals) -> None:
    """Within a second, a call that would hang for ever is let go; status 0, and nothing is complained about."""
    process = start("users", "--port", "0")
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as switch:
        body = b'{"mode": "hang"}'
        switch.sendall(b"PUT /_chaos HTTP/1.1\r\nHost: mock\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        assert b" 200 " in switch.recv(100)
        switch.sendall(b"GET /users/1 HTTP/1.1\r\nHost: mock\r\n\r\n")
        time.sleep(0.1)

        begin = time.monotonic()
        process.send_signal(stop)
        _, complaint = process.communicate(timeout=5)

    assert time.monotonic() - begin < 1.5  # a second, and a slow machine's slack
    assert process.returncode == 0
    assert complaint == ""


@pytest.mark.slow
def test_a_stop_signal_lets_an_answer_in_flight_go_out(start: Any) -> None:
    """An answer that is nearly ready is still sent."""
    process = start("recommendations", "--port", "0")
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
        caller.sendall(b"GET /for/new HTTP/1.1\r\nHost: mock\r\n\r\n")
        time.sleep(0.1)

        process.send_signal(signal.SIGTERM)
        reply = caller.recv(10_000)

    assert reply.startswith(b"HTTP/1.1 200 ")
    process.communicate(timeout=5)
    assert process.returncode == 0
