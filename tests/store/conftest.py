"""A Redis of the tests' own, and what several tests of stores say."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from inspect import isawaitable
from itertools import count
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotThere

from gateway.caching import Board, Entry, Store
from gateway.caching.clock import now
from gateway.spec import StorageSpec
from gateway.store import open_store

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

_numbers = count()


@dataclass
class Server:
    """A Redis on a port of loopback, with nothing on disk."""

    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def client(self) -> Redis:
        return Redis(port=self.port)

    def start(self) -> None:
        """On the same port as before, if there was one."""
        self.port = self.port or _free_port()
        fixed = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([PROGRAM or "", *fixed, *self.options], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(NotThere), self.client as client:
                client.ping()
                return
            time.sleep(0.02)
        raise AssertionError("redis-server does not answer")

    def open_tls(self) -> int:
        """Listen with TLS as well; on which port."""
        port = _free_port()
        self.client.config_set("tls-port", port)
        return port

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    yield from _served()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A Redis that this test may ruin."""
    yield from _served()


def _served(*options: str) -> Iterator[Server]:
    if PROGRAM is None:
        pytest.skip("NO REDIS HERE, and nothing of the shared store is tested: install redis-server or valkey-server")
    server = Server(options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def prefix() -> str:
    """One that no other test has."""
    return f"test-{next(_numbers)}:"


Open = Callable[..., AbstractAsyncContextManager[tuple[Store, Board]]]


@pytest.fixture
def opened(shared_server: Server, prefix: str) -> Open:
    """Opens a store as a process of its own would. It is down for a moment, as every store that begins."""

    def open_one(url: str = "", *, size: Any = "1MiB", **words: Any) -> AbstractAsyncContextManager[tuple[Store, Board]]:
        # Nobody is in a hurry here: a machine that is busy is no trouble.
        redis = {"url": url or shared_server.url, "prefix": prefix, "timeout": "5s"} | words
        return open_store(StorageSpec.model_validate({"size": size, "redis": redis}))

    return open_one


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    """Starts a Redis with options of its own."""
    with ExitStack() as servers:
        yield lambda *options: servers.enter_context(contextmanager(_served)(*map(str, options)))


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Waits until something holds."""
    return _eventually


async def _eventually(holds: Callable[[], Any], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not (await held if isawaitable(held := holds()) else held):  # noqa: ASYNC110 - what is waited for knows no events
            await asyncio.sleep(0.01)


@pytest.fixture
def up() -> Callable[..., Awaitable[None]]:
    """Waits until stores have their Redis."""
    return lambda *stores: _eventually(lambda: all(store.counts()[-1].is_well for store in stores))


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    """An entry that was asked for just now."""

    def make(body: bytes = b"{}", *, at: float | None = None, lifetime: float = 60.0, scopes: tuple[str, ...] = ()) -> Entry:
        return Entry(200, (("content-type", "text/plain"),), body, now() if at is None else at, lifetime, scopes=scopes)

    return make
