"""A Redis as rows break it: by a proxy that breaks its connections, and by what it is told itself."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from bench.processes import Children, Command, free_port
from faults.proxy import FaultProxy, Mode, proxied

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

PREFIX = "faults:"
"""What the gateway's keys begin with."""

FULL = "1mb"
"""Memory that it has already taken when it is empty."""


@dataclass(frozen=True)
class FaultRedis:
    """Carries the gateway's connection by its proxy, and is told what to do past it."""

    proxy: FaultProxy
    client: Redis

    @property
    def url(self) -> str:
        """Where the gateway finds it."""
        return f"redis://127.0.0.1:{self.proxy.port}"

    async def heal(self) -> None:
        """It is well again."""
        await self.proxy.become(Mode.PASS)
        await self.client.replicaof("NO", "ONE")
        await self.client.config_set("maxmemory", "0")

    async def fill(self) -> None:
        """It is full: it drops nothing, and takes nothing more."""
        await self.client.config_set("maxmemory", FULL)

    async def follow(self) -> None:
        """It is a replica of one that is not there: it serves what it has, and takes nothing."""
        await self.client.replicaof("127.0.0.1", "1")

    async def overwrite(self) -> None:
        """Something else is under each key: words, an entry torn in the middle, another key's, one of an older release, another kind of value."""
        names = [name async for name in self.client.scan_iter(f"{PREFIX}*") if await self.client.type(name) == b"string"]
        another = b""
        for number, name in enumerate(names):
            value = await self.client.getdel(name)
            if not isinstance(value, bytes) or b"lease:" in name:
                continue  # it has expired meanwhile, or is no entry
            others = (b"junk", value[:-20], another, _older(value))
            await self.client.rpush(name, "x") if number % 5 == 4 else await self.client.set(name, others[number % 5])
            another = value


def _older(value: bytes) -> bytes:
    """The entry as a release would have it whose format is another one."""
    return b"[0," + value.partition(b",")[2]


@asynccontextmanager
async def redis_behind_a_proxy(children: Children) -> AsyncIterator[FaultRedis | None]:
    """One of its own, with nothing on disk; None where there is none to start."""
    if PROGRAM is None:
        yield None
        return
    port = free_port()
    child = children.start(
        Command([PROGRAM, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]), frozenset()
    )
    await asyncio.to_thread(children.serving, child, port)
    async with proxied(port) as proxy, Redis(port=port) as client:
        yield FaultRedis(proxy, client)
