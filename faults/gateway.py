"""The gateway under test: a process of its own, started as users start it, and what it holds."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench import measure
from bench.processes import START, Broken, Children, Command
from faults import ROOT
from faults.claims import require

_COMPLAINT = re.compile(r"never retrieved|never awaited|Unclosed|Failed to detach|Traceback|Task was destroyed")
"""What is in the log of a process that has lost something."""


@dataclass(frozen=True)
class Answer:
    """What a client got, and when."""

    status: int
    seconds: float
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def slug(self) -> str:
        """The type of the problem that it is; empty for none."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        return str(json.loads(self.body)["type"]).rpartition(":")[2]

    def __str__(self) -> str:
        return f"{self.status} {self.slug}".rstrip()


def checked(answer: Answer) -> Answer:
    """The same. Raises `Unmet` for what must never be answered."""
    require(answer.status != 500, "answers 500")
    require(not answer.slug or b"127.0.0.1" not in answer.body, "a problem names a host")
    return answer


@dataclass(frozen=True)
class Levels:
    """What a process holds."""

    tasks: int
    files: int | None
    mib: float | None
    """None where the system does not tell."""


@dataclass
class RunningGateway:
    """A gateway that answers."""

    url: str
    children: Children
    child: subprocess.Popen[str]
    client: httpx.AsyncClient

    async def ask(self, path: str = "/plain", method: str = "GET", client: httpx.AsyncClient | None = None) -> Answer:
        """Ask it. Raises `Unmet` for what it must never answer."""
        began = time.perf_counter()
        response = await (client or self.client).request(method, path, json={} if method == "POST" else None)
        return checked(Answer(response.status_code, time.perf_counter() - began, response.content, response.headers))

    async def many(self, count: int, path: str = "/plain") -> list[Answer]:
        """Ask it as often at once, over connections that are closed again."""
        async with new_client(self.url) as client:
            return await asyncio.gather(*(self.ask(path, client=client) for _ in range(count)))

    async def levels(self) -> Levels:
        """What it holds just now."""
        tasks = int(json.loads((await self.ask("/state")).body)["tasks"])
        if not measure.IS_POSSIBLE:
            return Levels(tasks, None, None)
        return Levels(tasks, measure.open_files(self.child.pid), measure.resident_mib(self.child.pid))

    def complaint(self) -> str:
        """The first line in its log that says that something was lost; empty when there is none."""
        return next((line for line in self.children.said(self.child).splitlines() if _COMPLAINT.search(line)), "")


def new_client(url: str) -> httpx.AsyncClient:
    """A client that waits longer than any answer may take."""
    # It lets go of idle connections before the gateway does; and plain HTTP needs none of the authorities that take a while to read.
    limits = httpx.Limits(keepalive_expiry=2.0)
    return httpx.AsyncClient(base_url=url, timeout=20, trust_env=False, verify=False, limits=limits)


@asynccontextmanager
async def running(config: Path, children: Children, environ: Mapping[str, str]) -> AsyncIterator[RunningGateway]:
    """A gateway with this config while the block runs. Raises `Broken` when it does not start."""
    args: list[Any] = [sys.executable, "-m", "gateway", "serve", "--config", config, "--port", "0"]
    child = children.start(Command(args, {"PYTHONPATH": str(ROOT), **environ}), frozenset())
    url = await _url(children, child)
    async with new_client(url) as client:
        yield RunningGateway(url, children, child, client)
    children.end(child)


async def _url(children: Children, child: subprocess.Popen[str]) -> str:
    """Where it answers, as it says itself."""
    end = time.monotonic() + START
    while time.monotonic() < end and child.poll() is None:
        if match := re.search(r" on (http://[^,\s]+)", children.said(child)):
            async with new_client(match[1]) as client:
                # It listens before it answers.
                if (await client.get("/readyz")).is_success:
                    return match[1]
        await asyncio.sleep(0.05)
    raise Broken(f"the gateway did not start: {children.said(child)[-500:]}")
