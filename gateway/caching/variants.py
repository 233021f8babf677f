"""Replies of one key that differ by what the request had in the headers of their `Vary`: under the key is a **signpost** with their names
then, and each is kept under a key of its own below it (RFC 9111, section 4.1).
"""

from __future__ import annotations

from gateway.caching import Store
from gateway.caching.entry import Entry
from gateway.caching.keys import selecting, variant_of
from gateway.caching.storing import retention
from gateway.call import Headers
from gateway.policy import CachePolicy

SIGNPOST = 0
"""The status of an entry that is none."""


async def find(store: Store, key: str, headers: Headers) -> Entry | None:
    """What is kept under this key for a request with these headers."""
    entry = await store.get(key)
    if entry is None or entry.status != SIGNPOST:
        return entry
    return await store.get(variant_of(key, _names(entry), headers))


async def keep(store: Store, key: str, policy: CachePolicy, headers: Headers, entry: Entry) -> None:
    """Keep an entry for requests with this key, which have the same as these headers in all that it varies by."""
    ttl = retention(entry)
    names = selecting(policy, entry.headers)
    if names:
        post = Entry(SIGNPOST, tuple(("vary", name) for name in names), b"", entry.at, entry.lifetime, scopes=entry.scopes)
        await store.set(key, post, ttl=ttl)
    await store.set(variant_of(key, names, headers) if names else key, entry, ttl=ttl)


def _names(post: Entry) -> tuple[str, ...]:
    return tuple(name for _, name in post.headers)
