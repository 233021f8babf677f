"""Everybody that the gateway calls: servers that answer wrongly, one behind a proxy, nobody at all, and a Redis."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from bench.processes import Children
from faults import replies
from faults.certificates import ARE_POSSIBLE, Certified, certified
from faults.config import STORIES
from faults.proxy import FaultProxy, Mode, proxied
from faults.redis import PREFIX, FaultRedis, redis_behind_a_proxy
from faults.server import FaultServer, served

GOOD = FaultServer.reply(b'{"ok":true}', "200 OK", "Content-Type: application/json", "Connection: close")
"""What an upstream says that is well. It keeps no connection, so that each row begins on a fresh one."""

BROKEN = ("plain", "retried", "kept", "shared", "hot", "stormed", "paused", "paused_until", "paused_for_ever")
"""Upstreams that are the server which rows break."""


@dataclass
class Upstreams:
    """Those that the config names."""

    server: FaultServer
    """The one that rows break."""

    sturdy: FaultServer
    """One that is well."""

    proxy: FaultProxy
    """To the sturdy one, as `guarded`."""

    moved: FaultServer | None
    """At another address of this machine, with the port of the sturdy one; None where there is no such address."""

    certified: Certified
    hole: int
    """A port that answers no attempt to connect."""

    own: Mapping[str, FaultServer]
    """Those of the stories, by name."""

    collector: FaultServer
    """Where the spans of the requests go that ask for it."""

    redis: FaultRedis | None
    """By which the cache is shared; None where there is none to start."""

    @property
    def urls(self) -> dict[str, str]:
        """Where each is, by its name in the config."""
        return (
            dict.fromkeys(BROKEN, self.server.url)
            | self.certified.urls
            | {name: server.url for name, server in self.own.items()}
            | {
                "sturdy": self.sturdy.url,
                "guarded": self.proxy.url,
                "black_hole": f"http://127.0.0.1:{self.hole}",
                "slow": f"http://slow.test:{self.sturdy.port}",
                "moving": f"http://moving.test:{self.sturdy.port}",
            }
        )

    @property
    def shared(self) -> dict[str, str]:
        """How the cache is shared."""
        return {"url": self.redis.url, "prefix": PREFIX} if self.redis else {"url": ""}

    @property
    def servers(self) -> list[FaultServer]:
        """All there are."""
        return [self.server, self.sturdy, *filter(None, [self.moved]), *self.certified.servers.values(), *self.own.values()]

    @property
    def in_flight(self) -> int:
        """Calls that they still have in hand."""
        return sum(server.in_flight for server in self.servers)

    async def heal(self) -> None:
        """Everything is well again."""
        for server in self.servers:
            server.script.clear()
            server.always(GOOD)
        for server in self.own.values():
            server.always(replies.KEPT)
        self.collector.always(replies.TAKEN)
        await self.proxy.become(Mode.PASS)
        if self.redis:
            await self.redis.heal()


@asynccontextmanager
async def upstreams(children: Children) -> AsyncIterator[Upstreams]:
    """All of them, and well, while the block runs; what is a process is one of the children."""
    async with AsyncExitStack() as stack:
        server, sturdy = [await stack.enter_async_context(served()) for _ in range(2)]
        proxy = await stack.enter_async_context(proxied(sturdy.port))
        shown = await stack.enter_async_context(certified(children.folder)) if ARE_POSSIBLE else Certified()
        try:
            moved = await stack.enter_async_context(served(host="127.0.0.2", port=sturdy.port))
        except OSError:
            moved = None
        own = {name: await stack.enter_async_context(served()) for name in STORIES}
        collector = await stack.enter_async_context(served())
        redis = await stack.enter_async_context(redis_behind_a_proxy(children))
        made = Upstreams(server, sturdy, proxy, moved, shown, stack.enter_context(_black_hole()), own, collector, redis)
        await made.heal()
        yield made


@contextmanager
def _black_hole() -> Iterator[int]:
    """A port where nobody accepts and the queue is full: as Linux has it, what would connect there is not even refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
