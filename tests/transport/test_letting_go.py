"""What has come to nothing is let go of at once: it can be megabytes, and whoever serves looks for garbage rarely."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from faults import replies
from gateway.errors import CallError
from gateway.transport import Outgoing, Transport, Whole, exchange

pytestmark = pytest.mark.slow

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """Only what nothing refers to is freed."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "answer",
    [replies.endless, replies.bomb, replies.CORRUPT, replies.CLOSES_IN_THE_BODY, replies.RESETS_IN_THE_BODY, replies.GARBAGE],
    ids=["too large", "bomb", "corrupt", "closed", "reset", "garbage"],
)
async def test_a_reply_that_came_to_nothing_is_freed(ours: Any, server: Any, no_garbage_collection: None, answer: Any) -> None:
    """Neither its error nor the parser holds it."""
    transport: Transport = ours.transport
    replies_made: list[weakref.ref[Whole]] = []

    class Kept(Whole):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            replies_made.append(weakref.ref(self))

    server.always(answer)
    with suppress(CallError):
        await exchange(transport.pool(httpx.URL(server.url)), Outgoing("GET", HEAD, None, 1_000_000, True), Kept)
    await asyncio.sleep(0)

    assert [made() for made in replies_made] == [None]
