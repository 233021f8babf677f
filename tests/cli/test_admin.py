"""The admin side of `gateway serve`: where it listens, who is let in, and that it goes with the rest."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx
import pytest
import uvicorn

from gateway import Gateway
from gateway.cli import admin
from gateway.cli.admin import read_token, with_admin, with_side
from gateway.cli.ports import Address, claim
from gateway.cli.serve import options
from gateway.errors import StartError

ENDPOINT = "  - path: /a/{id}\n    steps: { user: { get: 'users /users/{path.id}' } }\n"
CONFIG = f"version: 1\nupstreams: {{ users: {{ url: http://users.test }} }}\nendpoints:\n{ENDPOINT}"


@pytest.fixture
def endpoints() -> Any:
    """The socket of the endpoints."""
    with claim("127.0.0.1", 0, "") as taken:
        yield taken


def get(url: str, **headers: str) -> Any:
    """What is answered."""
    with urlopen(Request(url, headers=headers), timeout=20) as response:
        return json.loads(response.read())


def status(url: str, **headers: str) -> int:
    """What it is answered with."""
    try:
        with urlopen(Request(url, headers=headers), timeout=20) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_it_listens_beside_the_endpoints_and_goes_with_them(
    start: Any, write: Any, free_ports: Any, is_gone: Any, workers: int
) -> None:
    """On loopback, told in the line it begins with; any worker answers; nothing of it is at the endpoints' port, and nothing stays."""
    port = free_ports(1)
    process = start("serve", "-c", write(ENDPOINT), "--port", "0", "--admin-port", str(port), "--workers", str(workers))
    url, admin_url = re.findall(r"http://[\d.:]+", process.stderr.readline())[::2]

    answers = [get(f"{admin_url}/api") for _ in range(10)]

    assert admin_url == f"http://127.0.0.1:{port}"
    assert {answer["revision"] for answer in answers} == {answers[0]["revision"]}
    assert process.pid not in {answer["process"] for answer in answers} or workers == 1
    assert (status(f"{url}/api"), status(f"{admin_url}/a/42"), status(f"{admin_url}/openapi.json")) == (404, 404, 404)
    assert status(f"{admin_url}/api", Host="evil.test") == 403
    process.send_signal(signal.SIGTERM)
    assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert is_gone(process.pid, port)


@pytest.mark.slow
def test_beyond_loopback_it_takes_the_token(start: Any, write: Any, free_ports: Any) -> None:
    """A worker has it from the environment, as the process that was started."""
    port, environ = free_ports(1), {"GATEWAY_ADMIN_HOST": "0.0.0.0", "GATEWAY_ADMIN_TOKEN": "secret", "GATEWAY_WORKERS": "2"}
    process = start("serve", "-c", write(ENDPOINT), "--port", "0", GATEWAY_ADMIN_PORT=str(port), **environ)
    assert f", administered on http://0.0.0.0:{port}/api" in process.stderr.readline()

    url = f"http://127.0.0.1:{port}"

    assert (status(f"{url}/livez"), status(f"{url}/api")) == (200, 401)
    assert status(f"{url}/api", Authorization="Bearer wrong") == 401
    assert status(f"{url}/api", Authorization="Bearer secret", Host="gateway.internal") == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_loopback_without_a_token_nothing_starts(run: Any, write: Any, free_ports: Any, host: str) -> None:
    """Status 2; what to do is said, and nothing is left listening."""
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    port = free_ports(1)

    done = run("serve", "-c", write(ENDPOINT), "--port", "0", "--admin-host", host, "--admin-port", str(port))

    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"gateway: beyond this machine, on {host}, the admin side takes a token: "
        "set GATEWAY_ADMIN_TOKEN, or have it listen on 127.0.0.1\n"
    )
    claim("127.0.0.1", port, "").close()


def test_a_port_that_was_chosen_is_had_or_is_an_error(run: Any, write: Any) -> None:
    """As the endpoints' is; the line says how to choose another, or none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = run("serve", "-c", write(ENDPOINT), "--port", "0", GATEWAY_ADMIN_PORT=str(port))

    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"gateway: port {port} on 127.0.0.1 is in use by another program; "
        "choose another with --admin-port or GATEWAY_ADMIN_PORT (0: none)\n"
    )


def test_the_usual_port_may_be_another_gateways(
    endpoints: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A second gateway on this machine serves all the same, without, and says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(admin, "PORT", taken.getsockname()[1])

        with with_side(endpoints, Address("127.0.0.1", None)) as claimed:
            assert (claimed.sockets, claimed.admin_port) == ([endpoints], 0)

    assert caplog.messages[0].startswith(f"fanin has no admin side: port {admin.PORT} on 127.0.0.1 is in use")


def test_the_usual_port_is_taken_when_nobody_has_it(endpoints: Any, monkeypatch: pytest.MonkeyPatch, free_ports: Any) -> None:
    """Nobody has to ask for it."""
    monkeypatch.setattr(admin, "PORT", free_ports(1))

    with with_side(endpoints, Address("127.0.0.1", None)) as claimed:
        assert claimed.admin_port == admin.PORT

    claim("127.0.0.1", admin.PORT, "").close()


def test_an_address_that_cannot_be_had_is_named_with_its_remedy(endpoints: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin side's own option, not the endpoints'; the usual port is no excuse."""
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "secret")

    with (
        pytest.raises(StartError, match=r"cannot listen on 192\.0\.2\.1: .*with --admin-host or GATEWAY_ADMIN_HOST$"),
        with_side(endpoints, Address("192.0.2.1", None)),
    ):
        pass


def test_no_port_is_both_sides(endpoints: Any) -> None:
    """The port is what tells them apart, on whichever addresses they listen."""
    port = endpoints.getsockname()[1]

    with (
        pytest.raises(StartError, match=f"port {port} cannot be both sides'.*--admin-port"),
        with_side(endpoints, Address("127.0.0.2", port)),
    ):
        pass


def test_a_token_that_no_header_carries_is_refused(endpoints: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything listens, and without showing it."""
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "my secret")

    with (
        pytest.raises(StartError, match="GATEWAY_ADMIN_TOKEN has characters") as refused,
        with_side(endpoints, Address("127.0.0.1", 0)),
    ):
        pass

    assert "secret" not in str(refused.value)


def test_an_empty_token_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that a compose file passes on although nobody has set it must not become a password that is empty."""
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "")

    assert read_token() is None


async def test_who_is_turned_away_at_the_endpoints_door_is_let_in_here(endpoints: Any) -> None:
    """A gateway that has too much to do can still be looked at; and that it is looked at takes nobody's place."""
    gateway = Gateway.from_text(CONFIG)
    with claim("127.0.0.1", 0, "") as side:
        port = side.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(with_admin(gateway, port), **options()))
        serving = asyncio.create_task(server.serve(sockets=[endpoints, side]))
        judged: list[bytes] = []

        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{port}/livez")
            gateway.app.state.door = lambda _, target: judged.append(target) or True
            turned_away = await client.get(f"http://127.0.0.1:{endpoints.getsockname()[1]}/a/42")
            looked_at = await client.get(f"http://127.0.0.1:{port}/api")
        server.should_exit = True
        await serving

    assert (turned_away.status_code, looked_at.status_code, judged) == (503, 200, [b"/a/42"])
