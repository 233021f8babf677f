"""The command as a user has it: run in this process, or started as one of its own, with upstreams on loopback."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gateway.cli import main

ROOT = Path(__file__).parents[2]
LIMIT = 60.0
"""Seconds after which a process that was started is killed: it hangs, and its test must not."""

FROM_OUTSIDE = ("GATEWAY_", "OTEL_", "SERVICES_", "ONCE", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_", "PYTHONHOME")


@pytest.fixture(autouse=True)
def _as_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, no variable of whoever runs the tests, 80 columns, no admin side, words and not JSON; environment, paths, signals and loggers are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = dict(os.environ)
    for name in before:
        if name.startswith(FROM_OUTSIDE) or name.endswith("_URL"):
            del os.environ[name]
    os.environ |= {"COLUMNS": "80", "TERM": "xterm-256color", "GATEWAY_ADMIN_PORT": "0", "GATEWAY_LOG_FORMAT": "text"}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore", "uvicorn", "uvicorn.error", "uvicorn.access")]
    states = [(logger.level, logger.handlers, logger.propagate) for logger in loggers]
    yield
    for logger, state in zip(loggers, states, strict=True):
        logger.level, logger.handlers, logger.propagate = state
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.environ.clear()
    os.environ.update(before)


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    status: int
    out: str
    err: str


Run: TypeAlias = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `gateway` with these arguments in this process; keywords are variables of its environment."""

    def invoke(*arguments: str, **environ: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return Done(left.value.code if isinstance(left.value.code, int) else 0, out, err)

    return invoke


Write: TypeAlias = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a config of these endpoints, with `users` at this url, and give its path."""

    def to_file(endpoints: str, name: str = "my.yaml", url: str = "http://127.0.0.1:9") -> str:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"version: 1\nupstreams: {{ users: {{ url: '{url}' }} }}\nendpoints:\n{endpoints}")
        return str(file)

    return to_file


@dataclass
class Played:
    """An upstream played by the test, on a real port: what it answers by path, and what it was asked."""

    url: str = ""
    answers: dict[str, list[Any]] = field(default_factory=dict)
    """By path, a status and a value, or what gives them; one after the other, the last again and again."""

    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, headers and body."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Answer one request."""
        self.asked.append((method, path, headers, body))
        script = self.answers[path.partition("?")[0]]
        answer = script.pop(0) if len(script) > 1 else script[0]
        return answer() if callable(answer) else answer


@pytest.fixture
def upstream() -> Iterator[Played]:
    """An upstream on loopback, in a thread."""
    played = Played()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            headers = {name.lower(): value.encode("latin-1").decode() for name, value in self.headers.items()}
            status, answer = played.answer(self.command, self.path, headers, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        played.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield played
        server.shutdown()
        thread.join()


Start: TypeAlias = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `python -m gateway` with these arguments as a process, and a session, of its own; bounded in time."""
    running: list[tuple[subprocess.Popen[str], threading.Timer]] = []

    def begin(*arguments: str, **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        timer = threading.Timer(LIMIT, _kill_all, [process])
        timer.start()
        running.append((process, timer))
        return process

    yield begin
    for process, timer in running:
        timer.cancel()
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            _kill_all(process)
            process.communicate(timeout=10)


def _kill_all(process: subprocess.Popen[str]) -> None:
    """The process and its workers, which would keep its output open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def in_terminal() -> Callable[..., str]:
    """Run `python -m gateway` in a terminal of so many columns, and give what stands in it."""

    def show(columns: int, *arguments: str) -> str:
        ours, its = os.openpty()
        termios.tcsetwinsize(its, (50, columns))
        environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-m", "gateway", *arguments], env=environ, stdin=its, stdout=its, stderr=its)
        os.close(its)
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        shown = b""
        with suppress(OSError):  # Linux's word for the end of a terminal
            while part := os.read(ours, 4096):
                shown += part
        os.close(ours)
        process.wait()
        timer.cancel()
        return shown.decode().replace("\r\n", "\n")

    return show


@pytest.fixture
def free_ports() -> Callable[[int], int]:
    """The first of so many neighbouring ports of loopback that nobody listens on."""

    def find(count: int) -> int:
        for first in range(20_000 + os.getpid() % 5_000, 60_000, count):
            if all(_is_free(port) for port in range(first, first + count)):
                return first
        raise AssertionError("no free ports")

    return find


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def is_gone() -> Callable[..., bool]:
    """Say whether nothing is left of a process's group and nobody listens on these ports, now or in a moment."""

    def gone(group: int, *ports: int) -> bool:
        patience = time.monotonic() + 5
        while time.monotonic() < patience:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                if all(_is_free(port) for port in ports):
                    return True
            time.sleep(0.02)
        return False

    return gone
