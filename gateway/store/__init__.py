"""Where what is kept of replies and answers is, by aiocache's interface: in memory, in Redis, or in both; and the boards by which processes
tell each other what of it is void.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.caching import Board, Store
from gateway.caching.purging import PurgesState
from gateway.policy import TlsPolicy
from gateway.spec import RedisSpec, StorageSpec
from gateway.store.boards import LocalBoard, StreamBoard
from gateway.store.memory import OVERHEAD, MemoryStore

__all__ = ["OVERHEAD", "LocalBoard", "MemoryStore", "open_store"]


@asynccontextmanager
async def open_store(spec: StorageSpec, file: Path | None = None) -> AsyncIterator[tuple[Store, Board]]:
    """The store of a config, and its board, while the block lasts. Beginning waits for nobody, and fails for nobody's sake.

    With a file, it is how the workers of one server tell each other of purges.
    """
    purges = PurgesState()
    memory = MemoryStore(spec.size or 0, spec.entries, purges)
    # By aiocache's switch nothing is kept, and nothing that others have kept is served.
    if spec.redis and spec.redis.url and os.environ.get("AIOCACHE_DISABLE") != "1":
        async with _shared(spec.redis, memory, purges) as opened:
            yield opened
    elif file:
        async with _told_by(file, purges) as board:
            yield memory, board
    else:
        yield memory, LocalBoard(purges)


@asynccontextmanager
async def _shared(spec: RedisSpec, memory: MemoryStore, purges: PurgesState) -> AsyncIterator[tuple[Store, Board]]:
    # Only who has a Redis pays for its library, a fifth of a second.
    from gateway.store.link import Link
    from gateway.store.redis import RedisStore
    from gateway.store.tiers import Tiers

    link = Link(spec.url, spec.timeout, _tls(spec.tls))
    shared, board = RedisStore(link, spec.prefix, purges), StreamBoard(link, f"{spec.prefix}purges", purges)
    link.start(board)
    try:
        yield Tiers(memory, shared) if memory.size else shared, board
    finally:
        await link.stop()


@asynccontextmanager
async def _told_by(file: Path, purges: PurgesState) -> AsyncIterator[Board]:
    from gateway.store.file import FileBoard  # locks of POSIX, which Windows has not

    board = FileBoard(file, purges)
    board.start()
    try:
        yield board
    finally:
        await board.stop()


def _tls(policy: TlsPolicy | None) -> Mapping[str, Any]:
    named = {"ssl_ca_certs": policy.ca, "ssl_certfile": policy.certificate, "ssl_keyfile": policy.key} if policy else {}
    return {name: str(path) for name, path in named.items() if path}
