"""`gateway top`: what it shows of what it hears, and that it leaves when it is to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

FIGURES = {"rate": 12.0, "errors": 0.5, "partial": 1.0, "p50_ms": 20.04, "p99_ms": None, "cache_hit_rate": None}
SECOND = {
    **FIGURES,
    "at": "2026-01-02T03:04:05.678Z",
    "endpoints": {"GET /a/{id}": {**FIGURES, "cache_hit_rate": 0.254}},
    "upstreams": [],
    "workers": 2,
}
HOST = {"url": "http://a", "healthy": True, "ejected": False, "breaker": "closed"}
UPSTREAM = {
    "name": "users",
    "hosts": [HOST, {**HOST, "breaker": "open"}],
    "permits": {"taken": 3, "of": 64, "waiting": 2},
    "calls": 7.0,
    "errors": 0.0,
    "retries": 1.0,
    "p50_ms": 9.0,
    "p99_ms": 33.0,
}


def request(number: int, **more: Any) -> dict[str, Any]:
    """A request that has ended."""
    usual = {"method": "GET", "target": f"/a/{number}", "at": "2026-01-02T03:04:05.678900Z", "status": 200, "complete": True}
    return {**usual, "duration_ms": 12.34, "steps": {"user": "ok"}, **more}


def stream(*told: tuple[str, dict[str, Any]]) -> list[str]:
    """The lines of these events."""
    return [line for name, data in told for line in (f"event: {name}", "id: 1", f"data: {json.dumps(data)}", "")]


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Have these lines come from the admin side."""

    def tell(lines: Any) -> None:
        @contextmanager
        def listen(_admin: str | None, path: str) -> Iterator[Any]:
            assert path == "/api/live"
            yield iter(lines)

        # The package has a command of this name, too.
        monkeypatch.setattr(import_module("gateway.cli.top"), "listen", listen)

    return tell


def test_without_a_terminal_it_is_printed_once(run: Any, hear: Any) -> None:
    """When there has been a second to tell of; the newest request first."""
    told = [("second", SECOND), ("request", request(1)), ("request", request(2, status=502, steps={"user": "failed"}))]
    hear(stream(*told, ("second", SECOND), ("second", SECOND)))

    done = run("top")

    assert (done.status, done.err) == (0, "")
    assert [line.rstrip() for line in done.out.splitlines()] == [
        "requests, 2 workers  a second  failed  partial  p50 ms  p99 ms  cached",
        "all                      12.0     0.5      1.0    20.0       –       –",
        "GET /a/{id}              12.0     0.5      1.0    20.0       –     25%",
        "",
        "03:04:05.678  502  12.3 ms  GET /a/2  user failed",
        "03:04:05.678  200  12.3 ms  GET /a/1",
    ]


def test_upstreams_are_shown_where_they_are_told(run: Any, hear: Any) -> None:
    """How many hosts are well: not those that are left alone; the worst breaker, and who waits for a permit."""
    plain = {**UPSTREAM, "name": "plain", "hosts": [{**HOST, "breaker": "half-open"}], "permits": None, "p50_ms": None}
    hear(stream(("second", SECOND), ("second", {**SECOND, "upstreams": [UPSTREAM, plain]})))

    out = run("top").out

    assert "upstreams     hosts well  permits  calls  failed  retries  p50 ms  p99 ms" in out
    assert "users           1/2 open  3/64 +2    7.0     0.0      1.0     9.0    33.0" in out
    assert "plain      1/1 half-open        –    7.0     0.0      1.0       –    33.0" in out


def test_only_the_newest_requests_are_shown(run: Any, hear: Any) -> None:
    """Ten of them."""
    hear(stream(("second", SECOND), *(("request", request(number)) for number in range(30)), ("second", SECOND)))

    out = run("top").out

    assert [f"/a/{number} " in f"{out} " or f"/a/{number}\n" in out for number in (19, 20, 29)] == [False, True, True]


def test_no_target_is_taken_for_markup(run: Any, hear: Any) -> None:
    """Clients choose what stands there."""
    hear(stream(("second", SECOND), ("request", request(1, target="/a/[red]x[/red]")), ("second", SECOND)))

    assert "GET /a/[red]x[/red]" in run("top").out


def test_ctrl_c_ends_it(run: Any, hear: Any) -> None:
    """With status 0 and not a word."""

    def interrupted() -> Iterator[str]:
        yield from stream(("second", SECOND))
        raise KeyboardInterrupt

    hear(interrupted())

    done = run("top")

    assert (done.status, done.out, done.err) == (0, "", "")


def test_nobody_to_ask_is_said_in_a_line(run: Any, free_ports: Any) -> None:
    """Status 2."""
    done = run("top", "--admin", f"http://127.0.0.1:{free_ports(1)}")

    assert (done.status, done.out) == (2, "")
    assert "nobody listens on" in done.err


@pytest.mark.slow
def test_in_a_terminal_it_is_drawn_again_until_the_gateway_stops(in_terminal: Any) -> None:
    """Second after second; when that ends, so does the command, with the cursor where it was."""
    body = "\n".join([*stream(("second", SECOND), ("request", request(1)), ("second", {**SECOND, "rate": 34.0})), ""]).encode()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body)
            client.close()

        thread = threading.Thread(target=answer)
        thread.start()
        shown = in_terminal(100, "top", "--admin", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()

    assert "12.0" in shown
    assert "34.0" in shown
    assert "GET /a/1" in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
