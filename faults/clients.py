"""Clients that come at a rate of their own, whatever becomes of those before them, and how long they waited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, TypeVar
from urllib.parse import urlsplit

from faults.claims import require
from faults.gateway import Answer, RunningGateway, checked

Result = TypeVar("Result")


@dataclass(frozen=True)
class Crowd:
    """Strangers: each has a connection of its own."""

    gateway: RunningGateway
    path: str
    """What they ask for; `{}` in it is the number of who asks."""

    per_second: float = 50.0
    head: str = ""
    """Further lines of their requests, each with its end."""

    async def come(self, seconds: float) -> list[Answer]:
        """They come for so long, and are waited for. What they wait counts from when they were to come."""
        return await self.number(round(seconds * self.per_second))

    async def number(self, count: int) -> list[Answer]:
        """So many of them come."""
        began = time.perf_counter()
        return await together(*(self._one(began + number / self.per_second, number) for number in range(count)))

    async def at_once(self, count: int) -> list[Answer]:
        """So many of them, all in one moment."""
        now = time.perf_counter()
        return await together(*(self._one(now, number) for number in range(count)))

    async def _one(self, due: float, number: int) -> Answer:
        await asyncio.sleep(due - time.perf_counter())
        reader, writer = await self.connect(number)
        try:
            raw = await reader.read()
        finally:
            writer.transport.abort()
        require(raw.startswith(b"HTTP/1.1 "), f"{self.path} is answered with {raw[:40]!r}")
        head, _, body = raw.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): text for name, _, text in (field.partition(": ") for field in fields)}
        return checked(Answer(int(line.split()[1]), time.perf_counter() - due, body, headers))

    async def connect(self, number: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One of them, who has asked and waits."""
        where, path = urlsplit(self.gateway.url), self.path.format(number)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n{self.head}\r\n".encode())
        return reader, writer


async def together(*all_of_them: Coroutine[Any, Any, Result]) -> list[Result]:
    """What they come to. When one fails the others are at an end."""
    tasks = [asyncio.create_task(one) for one in all_of_them]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def waited(answers: Sequence[Answer], share: float) -> float:
    """Milliseconds that this share of the clients waited at most."""
    return percentile([one.seconds for one in answers], share) * 1000


def good(answers: Sequence[Answer]) -> float:
    """The share of them that got what they asked for."""
    return sum(one.status == 200 for one in answers) / len(answers)
