"""The four mock services as processes, once a session, and the gateway of the showcase config on a port of its own for each test."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from gateway import Gateway
from gateway.cli.serve import options
from gateway.telemetry import Trace

ROOT = Path(__file__).parents[2]
NAMES = ("users", "orders", "catalog", "recommendations")


@pytest.fixture(scope="session")
def urls() -> Iterator[dict[str, str]]:
    """Where every mock service is."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "services", name, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for name in NAMES
    }
    yield {name: _url(process) for name, process in running.items()}
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.communicate(timeout=5)


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the service did not start"
    return line.split()[-1]


@dataclass
class Service:
    """A mock service and its switches."""

    client: httpx.AsyncClient

    async def chaos(self, **setting: Any) -> None:
        (await self.client.put("/_chaos", json=setting)).raise_for_status()

    async def heal(self) -> None:
        await self.client.delete("/_chaos")

    async def forget(self) -> None:
        for switch in ("/_chaos", "/_stats", "/_requests"):
            await self.client.delete(switch)

    async def stats(self) -> dict[str, int]:
        return dict((await self.client.get("/_stats")).json())

    async def asked(self) -> list[str]:
        """The raw targets of what came in."""
        return [one["target"] for one in (await self.client.get("/_requests")).json()]

    async def becomes(self, **expected: int) -> bool:
        """The counts are these, or become so within a second."""
        deadline = asyncio.get_running_loop().time() + 1
        while not expected.items() <= (await self.stats()).items():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True


@pytest.fixture
async def services(urls: dict[str, str]) -> AsyncIterator[dict[str, Service]]:
    """The mock services by name, well and uncounted."""
    # `verify=False` spares each client the reading of all the authorities that plain HTTP needs none of.
    made = {name: Service(httpx.AsyncClient(base_url=url, trust_env=False, verify=False)) for name, url in urls.items()}
    for service in made.values():
        await service.forget()
    yield made
    for service in made.values():
        await service.heal()
        await service.client.aclose()


@dataclass
class Served:
    """The gateway on a real port."""

    port: int
    client: httpx.AsyncClient
    traces: asyncio.Queue[Trace] = field(default_factory=asyncio.Queue)
    """The record of each request when it is over."""

    async def home(self, user: str = "42", **more: Any) -> httpx.Response:
        return await self.client.get(f"/v1/home/{user}", **more)

    async def raw(self, target: str, method: str = "GET") -> bytes:
        """The answer to a target that no client library would send as it is."""
        reader, writer = await self.connect(target, method)
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def connect(self, target: str, method: str = "GET") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request over a bare socket."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
        return reader, writer


@pytest.fixture
async def served(urls: dict[str, str], services: dict[str, Service], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """The showcase config over the mock services, served as `gateway serve` does."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, url in urls.items():
        monkeypatch.setenv(f"{name.upper()}_URL", url)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10, verify=False) as client:
        made = Served(port, client)
        gateway = Gateway.load(ROOT / "config" / "gateway.yaml", sinks=[made.traces.put_nowait])
        server = uvicorn.Server(uvicorn.Config(gateway.app, **options()))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            # It is ready when it answers; the socket has been listening all along.
            assert (await client.get("/readyz")).status_code == 200
        yield made
        server.should_exit = True
        await serving
