"""The four services, once a session as real processes on free ports; each test finds them well and uncounted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from services import PORTS

ROOT = Path(__file__).parents[2]
SECONDS = 5.0  # nothing here takes longer, or it has failed


@dataclass(frozen=True)
class Service:
    """A running service: `client` for its endpoints, and its switches by name."""

    port: int
    client: httpx.AsyncClient

    async def get(self, path: str) -> httpx.Response:
        """Ask for something."""
        return await self.client.get(path)

    async def chaos(self, **setting: object) -> None:
        """Set the switch."""
        (await self.client.put("/_chaos", json=setting)).raise_for_status()

    async def stats(self) -> dict[str, int]:
        """Read the counts."""
        return dict((await self.client.get("/_stats")).json())

    async def stats_become(self, **expected: int) -> dict[str, int]:
        """Give the counts as soon as they are these, or as they are after a while."""
        deadline = asyncio.get_running_loop().time() + 2
        while (found := await self.stats()) != expected:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.01)
        return found

    async def connect(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request over a bare socket."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: mock\r\nConnection: close\r\n\r\n".encode())
        return reader, writer

    async def reset(self) -> None:
        """Make it well, and let it forget."""
        for switch in ("/_chaos", "/_stats", "/_requests"):
            await self.client.delete(switch)


@pytest.fixture(scope="session", autouse=True)
def no_loop_by_default() -> None:
    """Let nobody make an event loop by asking for the current one: a plugin does, and never closes it."""
    asyncio.set_event_loop(None)


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Start ``python -m services`` with these arguments; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environ: str) -> subprocess.Popen[str]:
        plain = {key: value for key, value in os.environ.items() if "SERVICES_" not in key}
        process = subprocess.Popen(
            [sys.executable, "-m", "services", *arguments],
            cwd=ROOT,
            env=plain | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def ports(start: Start) -> dict[str, int]:
    """The port of every service."""
    running = {name: start(name, "--port", "0") for name in PORTS}
    return {name: port_of(process.stdout) for name, process in running.items()}


def port_of(stdout: IO[str] | None) -> int:
    """Read the port from the line a service starts with."""
    assert stdout is not None
    line = stdout.readline()
    assert line, "the service did not start"
    return int(line.rsplit(":", 1)[1])


@asynccontextmanager
async def _service(port: int) -> AsyncIterator[Service]:
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False) as client:
        service = Service(port, client)
        # What others have counted that do not come by here, and what a test has left that failed.
        await service.reset()
        yield service
        await service.reset()


@pytest.fixture
async def service(ports: dict[str, int], request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    """The service a test is parametrized with (indirectly)."""
    async with _service(ports[request.param]) as service:
        yield service


def _fixture(name: str) -> Any:
    @pytest.fixture(name=name)
    async def named(ports: dict[str, int]) -> AsyncIterator[Service]:
        async with _service(ports[name]) as service:
            yield service

    return named


users = _fixture("users")
orders = _fixture("orders")
catalog = _fixture("catalog")
recommendations = _fixture("recommendations")
