"""What processes have in common: a purge holds in all of them, and those that share a Redis make an answer once."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
CONFIG = """
version: 1
cache: {cache}
upstreams: {{ users: {{ url: "{upstream}", cache: {{ ttl: 1h, tags: [people] }} }}, slow: {{ url: "{upstream}" }} }}
endpoints:
  - {{ path: /a, steps: {{ user: {{ get: users /users/42 }} }} }}
  - {{ path: "/a/{{id}}", cache: {{ ttl: 1h }}, steps: {{ user: {{ get: "slow /slow/{{path.id}}" }} }} }}
"""
SLOW = 0.2
BURST = 40
CROWD, WORKERS = 100, 2
PATIENCE = 120.0


@pytest.fixture
def upstream() -> Iterator[str]:
    """An upstream that never says the same twice: who has the same number has the same entry."""
    numbers = count(1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"n": next(numbers)}).encode()
            time.sleep(SLOW if self.path.startswith("/slow") else 0)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def redis() -> Iterator[str]:
    """A Redis of the test's own."""
    if not REDIS:
        pytest.skip("no redis-server here")
    port = free_port()
    process = subprocess.Popen([REDIS, "--port", str(port), "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
    eventually(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
    yield f"redis://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def eventually(holds: Callable[[], bool]) -> None:
    """It becomes so, in good time."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("it has not come to that")


Serve: TypeAlias = Callable[..., "tuple[str, str]"]


@pytest.fixture
def serve(upstream: str, tmp_path: Path) -> Iterator[Serve]:
    """Start `gateway serve`, and give the URLs of its endpoint and of its admin side."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "GATEWAY_"))}
    environ["GATEWAY_LOG_FORMAT"] = "text"

    with ExitStack() as stack:

        def begin(workers: int = 1, cache: str = "{}") -> tuple[str, str]:
            config = tmp_path / "gateway.yaml"
            config.write_text(CONFIG.format(cache=cache, upstream=upstream))
            options = ("--config", str(config), "--port", "0", "--admin-port", str(free_port()), "--workers", str(workers))
            return stack.enter_context(running("serve", *options, environ=environ))

        yield begin


@contextmanager
def running(*arguments: str, environ: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The gateway as a process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        env={**environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        url, _, admin = re.findall(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        yield f"{url}/a", admin
    finally:
        process.terminate()
        process.communicate(timeout=60)


def ask(url: str) -> int:
    """Which of its replies the upstream gave this answer with, on a connection of its own."""
    with urlopen(url, timeout=60) as response:
        return int(json.loads(response.read())["user"]["n"])


def burst(url: str) -> set[int]:
    """Ask often and at once, so that every worker gets some."""
    with ThreadPoolExecutor(8) as threads:
        return set(threads.map(ask, [url] * BURST))


def purge(admin: str, *named: str) -> str:
    """By the command line."""
    command = [sys.executable, "-m", "gateway", "cache", "purge", *named, "--admin", admin]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def two_entries(url: str, above: int) -> set[int]:
    """Ask until two workers have answered by entries of their own, which are newer than this; give their numbers."""
    found: set[int] = set()

    def both() -> bool:
        found.update(number for number in burst(url) if number > above)
        return len(found) == 2

    eventually(both)
    return found


@pytest.mark.parametrize("named", [("--upstream", "users"), ("--tag", "people"), ("--endpoint", "/a")])
def test_every_worker_asks_again(serve: Any, named: tuple[str, str]) -> None:
    """Each has what it keeps in its own memory; whichever is told tells the other, and what was kept is not served again."""
    url, admin = serve(workers=2)
    old = two_entries(url, above=0)

    told = purge(admin, *named)

    new = two_entries(url, above=max(old))
    assert told.startswith("purged ")
    assert burst(url) <= new


def test_replicas_that_share_a_redis_ask_again(serve: Any, redis: str) -> None:
    """What one was told, the other knows, although both have it in their memories too."""
    cache = f"{{ redis: {{ url: '{redis}' }} }}"
    (one, admin), (other, _) = serve(cache=cache), serve(cache=cache)
    old = {ask(one), ask(other)}

    purge(admin, "--tag", "people")
    eventually(lambda: old.isdisjoint({ask(one), ask(other)}))

    eventually(lambda: ask(one) == ask(other))
    assert ask(one) > max(old)


def crowd(url: str) -> set[int]:
    """All ask before anybody is answered."""
    where = urlsplit(url)
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((where.hostname, where.port), 60)) for _ in range(CROWD)]
        for client in clients:
            client.sendall(f"GET {where.path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
        answers = [b"".join(iter(lambda client=client: client.recv(65_536), b"")) for client in clients]
    return {int(json.loads(answer.partition(b"\r\n\r\n")[2])["user"]["n"]) for answer in answers}


def test_an_answer_is_made_once_for_all_workers(serve: Any, redis: str) -> None:
    """A crowd comes to all of them for what nobody has: one asks, once. After a purge at one of them they all have the next one."""
    url, admin = serve(WORKERS, f"{{ redis: {{ url: '{redis}', timeout: 1s }} }}")
    ids = count()

    def made_once() -> bool:
        before = ask(f"{url}/{next(ids)}")
        wanted = f"{url}/{next(ids)}"
        return crowd(wanted) == {before + 1} and ask(f"{url}/{next(ids)}") == before + 2 and crowd(wanted) == {before + 1}

    eventually(made_once)  # as soon as all of them have their Redis
    (made,) = crowd(f"{url}/kept")
    purge(admin, "--endpoint", "/a/{id}")

    eventually(lambda: made not in crowd(f"{url}/kept"))
    assert len(crowd(f"{url}/kept")) == 1
