"""Variants: replies of one key, each for who asked for it so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.caching import Entry, variants
from gateway.policy import CachePolicy
from gateway.store import MemoryStore

AT = 1_790_000_000.0

pytestmark = pytest.mark.looptime

POLICY = CachePolicy(vary_on=())
Keep = Callable[..., Entry]


async def test_two_variants_are_kept_beside_each_other(keep: Keep) -> None:
    """Each is for the requests that have what its own had."""
    store = MemoryStore(100_000)
    for value in ("1", "2"):
        entry = keep(("cache-control", "max-age=60"), ("vary", "Foo"), body=value.encode())
        await variants.keep(store, "k", POLICY, (("foo", value),), entry)

    found = [await variants.find(store, "k", headers) for headers in ((("foo", "1"),), (("foo", "2"),), (("foo", "3"),), ())]

    assert [entry and entry.body for entry in found] == [b"1", b"2", None, None]


async def test_a_reply_without_vary_is_for_all(keep: Keep) -> None:
    """Until one comes that has it."""
    store = MemoryStore(100_000)
    same, other = keep(("cache-control", "max-age=60")), keep(("cache-control", "max-age=60"), ("vary", "foo"))

    await variants.keep(store, "k", POLICY, (("foo", "1"),), same)
    before = await variants.find(store, "k", (("foo", "2"),))
    await variants.keep(store, "k", POLICY, (("foo", "1"),), other)
    after = await variants.find(store, "k", (("foo", "2"),))

    assert (before, after) == (same, None)


async def test_a_signpost_is_purged_with_what_it_leads_to(keep: Keep) -> None:
    """It has the same scopes, and is no reply."""
    store = MemoryStore(100_000)
    entry = keep(("cache-control", "max-age=60"), ("vary", "foo"))

    await variants.keep(store, "k", POLICY, (), entry)
    post = await store.get("k")

    assert (post.status, post.scopes, post.at) == (variants.SIGNPOST, entry.scopes, AT)
