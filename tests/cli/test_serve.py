"""`gateway serve`: one worker or several on a port, and nothing left when it ends."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import uvicorn
import uvloop

from gateway import Gateway
from gateway.cli.ports import DOORS, claim, doors, refusal
from gateway.cli.serve import GARBAGE, leave_quietly, leave_to, make_app, options, startup_failure_told

ENDPOINT = "  - path: /a/{id}\n    steps: { user: { get: 'users /users/{path.id}' } }\n"
DEAD_EXPORT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "pigeon"}
"""An environment in which no app can start: a collector that is spoken to in no known way."""


@pytest.fixture
def config(write: Any, upstream: Any) -> str:
    """A config that works."""
    upstream.answers = {"/users/42": [(200, {"id": 42})]}
    return str(write(ENDPOINT, url=upstream.url))


def get(url: str) -> Any:
    """What the gateway answers."""
    with urlopen(url, timeout=20) as response:
        return json.loads(response.read())


def url_in(line: str) -> str:
    """Where it serves, from the line it starts with."""
    assert line.startswith("fanin serves 1 endpoint of "), line
    return line.partition(" on ")[2].partition(",")[0]


@pytest.fixture
def ended_by() -> Iterator[Callable[[signal.Signals, int, list[Any]], None]]:
    """From a thread beside: ask this port until it answers, then end this very process as a user would."""
    threads: list[threading.Thread] = []

    def ask_and_end(how: signal.Signals, port: int, answers: list[Any]) -> None:
        patience = time.monotonic() + 30
        while not answers and time.monotonic() < patience:
            try:
                answers.append(get(f"http://127.0.0.1:{port}/a/42"))
            except OSError:
                time.sleep(0.02)
        if callable(signal.getsignal(how)):
            os.kill(os.getpid(), how)

    def begin(how: signal.Signals, port: int, answers: list[Any]) -> None:
        threads.append(threading.Thread(target=ask_and_end, args=(how, port, answers), daemon=True))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join(30)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_it_answers_until_it_is_told_to_stop(
    run: Any, config: str, free_ports: Any, ended_by: Any, is_gone: Any, workers: int
) -> None:
    """Where it serves is said on standard error; a signal ends it with status 0."""
    answers: list[Any] = []
    port = free_ports(1)
    ended_by(signal.SIGTERM, port, answers)

    done = run("serve", "-c", config, "--port", str(port), "--workers", str(workers))

    assert answers == [{"user": {"id": 42}}]
    assert (done.status, done.out) == (0, "")
    assert done.err == (
        f"fanin serves 1 endpoint of {config} on http://127.0.0.1:{port}, documented at http://127.0.0.1:{port}/docs\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "environ"), [(1, {"GATEWAY_INJECT": "1"}), (2, {"GATEWAY_INJECT": "1"}), (2, {"GATEWAY_INJECT": "0"})]
)
def test_faults_are_injected_by_every_worker_that_is_told_to(
    start: Any, write: Any, upstream: Any, workers: int, environ: dict[str, str]
) -> None:
    """A worker reads the config for itself, and is told what the process was told."""
    upstream.answers = {"/users/42": [(200, {})]}
    config = write("  - path: /a\n    steps: { user: { get: users /users/42, inject: { status: 503 } } }\n", url=upstream.url)

    process = start("serve", "-c", config, "--port", "0", "--workers", str(workers), **environ)
    url = url_in(process.stderr.readline())

    if environ["GATEWAY_INJECT"] == "1":
        with pytest.raises(HTTPError, match="502"):
            get(f"{url}/a")
    else:
        assert get(f"{url}/a") == {"user": {}}


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_process_leaves_nothing_behind(
    start: Any, config: str, is_gone: Any, workers: int, how: signal.Signals
) -> None:
    """Ctrl-C reaches workers too; status 0, no complaint, no process, no listener."""
    process = start("serve", "-c", config, "--port", "0", "--workers", str(workers))
    url = url_in(process.stderr.readline())
    answer = get(f"{url}/a/42")

    if how is signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    out, complaint = process.communicate()

    assert answer == {"user": {"id": 42}}
    assert (process.returncode, out, complaint) == (0, "", "")
    assert is_gone(process.pid, int(url.rpartition(":")[2]))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts processes as Linux shows them")
def test_every_option_is_a_variable_too(start: Any, config: str, free_ports: Any) -> None:
    """Config, address, port and workers, without a single argument."""
    port = free_ports(1)

    process = start("serve", GATEWAY_CONFIG=config, GATEWAY_HOST="localhost", GATEWAY_PORT=str(port), GATEWAY_WORKERS="2")

    assert url_in(process.stderr.readline()) == f"http://127.0.0.1:{port}"
    assert get(f"http://127.0.0.1:{port}/a/42") == {"user": {"id": 42}}
    assert _workers(process) == 2
    process.terminate()
    assert process.wait() == 0


def _workers(process: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sum("spawn_main" in Path(f"/proc/{child}/cmdline").read_text() for child in children)


@pytest.mark.slow
def test_it_serves_on_ipv6(start: Any, config: str) -> None:
    """The address stands in brackets."""
    if not socket.has_ipv6 or not _has_loopback6():
        pytest.skip("no IPv6 here")
    process = start("serve", "-c", config, "--host", "::1", "--port", "0")

    url = url_in(process.stderr.readline())

    assert url.startswith("http://[::1]:")
    assert get(f"{url}/livez") == {"status": "live"}


def _has_loopback6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_port_in_use_is_named_with_its_remedy(run: Any, config: str) -> None:
    """Status 2; the line names the port and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = run("serve", "-c", config, "--port", str(port))

    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"gateway: port {port} on 127.0.0.1 is in use by another program; choose another with --port or GATEWAY_PORT\n"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "ä" * 70, "::2"])
def test_an_address_that_cannot_be_had_is_named_with_its_remedy(run: Any, config: str, host: str) -> None:
    """Another port would not help: it is the host that must be another."""
    done = run("serve", "-c", config, "--host", host, "--port", "0")

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"gateway: cannot listen on {host}: ")
    assert done.err.endswith("; choose another address with --host or GATEWAY_HOST\n")
    assert done.err.count("\n") == 1


def test_a_port_of_the_administrators_is_named_with_its_remedy() -> None:
    """Another port will do. Whoever runs the tests may be an administrator, so that the error is made here."""
    told = refusal(PermissionError(errno.EACCES, "Permission denied"), "127.0.0.1", 80, "--port or GATEWAY_PORT", "")

    assert told == "port 80 on 127.0.0.1 is not for this user to listen on; choose another with --port or GATEWAY_PORT"


@pytest.mark.slow
def test_a_signal_before_it_serves_is_not_lost(config: str) -> None:
    """The server never begins; nobody waits for a second Ctrl-C."""
    server = uvicorn.Server(uvicorn.Config(Gateway.load(config).app, **options()))
    watchdog = threading.Timer(20, lambda: setattr(server, "should_exit", True))
    leave_quietly()
    leave_to(server)
    watchdog.start()

    os.kill(os.getpid(), signal.SIGTERM)
    with claim("127.0.0.1", 0, "") as taken:
        server.run(sockets=[taken])

    assert watchdog.is_alive()
    watchdog.cancel()


def test_findings_keep_anything_from_being_started(run: Any, write: Any, free_ports: Any) -> None:
    """Status 1, every finding, and the port is not even taken."""
    port = free_ports(1)
    file = write(ENDPOINT.replace("users /", "usres /") + "  - path: b\n    steps: {}\n")

    with socket.create_server(("127.0.0.1", port)):
        done = run("serve", "-c", file, "--port", str(port))

    assert (done.status, done.out) == (1, "")
    assert "unknown upstream 'usres'" in done.err
    assert "endpoints[1].steps" in done.err
    assert "in use" not in done.err


def test_a_config_that_is_not_there_is_status_2(run: Any) -> None:
    """As everywhere."""
    done = run("serve", "-c", "nowhere.yaml")

    assert (done.status, done.out) == (2, "")
    assert "nowhere.yaml" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_app_that_cannot_start_is_status_2(run: Any, config: str, workers: str) -> None:
    """Whatever stands above it, the last line says that nothing is served, with one worker as with two."""
    done = run("serve", "-c", config, "--port", "0", "--workers", workers, **DEAD_EXPORT)

    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1] == "gateway: the gateway could not start; the reason stands above"


@pytest.fixture
def _collector_as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_collector_as_it_was")
def test_a_worker_reads_the_config_that_its_parent_read(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named in the environment, and what is made of it is never again looked through for garbage."""
    monkeypatch.setenv("GATEWAY_CONFIG", config)

    app: Any = make_app()

    assert "/a/{id}" in app.openapi()["paths"]
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == GARBAGE


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_there_is_a_server_is_status_0(how: signal.Signals) -> None:
    """Being told to stop is no failure."""
    leave_quietly()

    with pytest.raises(SystemExit) as left:
        signal.raise_signal(how)

    assert left.value.code == 0


def test_only_a_failed_start_is_told_as_one() -> None:
    """Whoever leaves with another status means it."""
    with pytest.raises(SystemExit), startup_failure_told():
        sys.exit(0)


def test_new_connections_are_accepted_many_at_a_time() -> None:
    """A loop that seldom comes by must not let new clients wait for a turn each."""
    clients = [socket.socket() for _ in range(DOORS)]

    with claim("127.0.0.1", 0, "") as taken, doors(taken) as sockets:
        for client in clients:
            client.connect(taken.getsockname())
        accepted = uvloop.run(_accepted_in(3, sockets))

    for client in clients:
        client.close()
    assert accepted == DOORS


async def _accepted_in(turns: int, sockets: list[socket.socket]) -> int:
    """Connections that a loop has accepted when it has come by so many times."""
    loop, accepted = asyncio.get_running_loop(), []

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    servers = [await loop.create_server(Accepted, sock=sock) for sock in sockets]
    for _ in range(turns):
        await asyncio.sleep(0)
    count = len(accepted)
    for server in servers:
        server.close()
    await asyncio.sleep(0.01)
    for transport in accepted:
        transport.abort()
    await asyncio.sleep(0.01)
    return count
