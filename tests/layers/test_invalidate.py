"""Invalidate: what a write has changed is not served any more, and nothing else is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.caching.keys import uri_scope
from gateway.call import Caller
from gateway.errors import AttemptTimeout, BreakerOpen, CallError, Disconnected
from gateway.layers.invalidate import Invalidate

pytestmark = pytest.mark.looptime

URLS = ("http://users.test",)


class Told(list[tuple[str, float]]):
    """What was told to be void."""

    def tell(self, scope: str, at: float) -> None:
        self.append((scope, at))

    @property
    def scopes(self) -> list[str]:
        return [scope for scope, _ in self]


@pytest.fixture
def told() -> Told:
    """What was told to be void."""
    return Told()


@pytest.fixture
def writing(upstream: Any, told: Told) -> Caller:
    """The layer around the upstream."""
    return Invalidate(URLS, told.tell, lambda: 7.0)(upstream)


OWN = uri_scope("users", "/users/42")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_voids_what_it_was_to(upstream: Any, make_call: Any, writing: Caller, told: Told, method: str) -> None:
    """Whatever was asked for until it ended shows what was before it."""
    upstream.replies(200)

    await writing(make_call(method=method))

    assert told == [(OWN, 7.0)]


async def test_a_reply_names_more(upstream: Any, make_call: Any, writing: Caller, told: Told) -> None:
    """`Location` and `Content-Location` below the same upstream; what is another host's is not ours to void."""
    upstream.replies(upstream.reply(status=201, location="/users/43?x=1", content_location="http://users.test/users/44"))
    upstream.replies(upstream.reply(status=201, location="http://evil.test/users/45"))

    await writing(make_call(method="POST"))
    await writing(make_call(method="POST"))

    assert told.scopes == [OWN, uri_scope("users", "/users/43?x=1"), uri_scope("users", "/users/44"), OWN]


@pytest.mark.parametrize(
    ("failure", "is_void"),
    [
        pytest.param(409, False, id="refused"),
        pytest.param(302, True, id="elsewhere"),
        pytest.param(500, True, id="failed"),
        pytest.param(Disconnected("broke"), True, id="broke"),
        pytest.param(AttemptTimeout("slow"), True, id="slow"),
        pytest.param(BreakerOpen("open"), False, id="not sent"),
    ],
)
async def test_a_write_that_may_have_been_done_counts(
    upstream: Any, make_call: Any, writing: Caller, told: Told, failure: Any, is_void: bool
) -> None:
    """One that was refused, or not sent, has changed nothing."""
    upstream.replies(failure)

    with pytest.raises(CallError):
        await writing(make_call(method="PUT"))

    assert told.scopes == ([OWN] if is_void else [])


async def test_a_write_that_is_cancelled_may_have_been_done(upstream: Any, make_call: Any, writing: Caller, told: Told) -> None:
    """Nobody knows, so what is kept is not trusted."""
    upstream.replies(upstream.hang)
    task = asyncio.ensure_future(writing(make_call(method="PUT")))
    await asyncio.sleep(0.1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert told.scopes == [OWN]
