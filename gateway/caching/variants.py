"""Replies of one key that differ by what the request had in the headers of their `Vary`: under the key is a **signpost** with their names
then, and each is kept under a key of its own below it (RFC 9111, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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


async def find_all(store: Store, sought: Sequence[tuple[str, Headers]]) -> list[Entry | None]:
    """What is kept under each of these keys for a request with these headers, in one trip, or two where replies vary."""
    found = list(await store.multi_get([key for key, _ in sought])) if sought else []
    posts = {at: entry for at, entry in enumerate(found) if entry is not None and entry.status == SIGNPOST}
    if posts:
        variants = await store.multi_get([variant_of(sought[at][0], _names(post), sought[at][1]) for at, post in posts.items()])
        for at, variant in zip(posts, variants, strict=True):
            found[at] = variant
    return found


async def keep(store: Store, key: str, policy: CachePolicy, headers: Headers, entry: Entry) -> None:
    """Keep an entry for requests with this key, which have the same as these headers in all that it varies by."""
    ttl = retention(entry)
    for at, one in _placed(key, policy, headers, entry):
        await store.set(at, one, ttl=ttl)


async def keep_all(store: Store, policy: CachePolicy, kept: Iterable[tuple[str, Headers, Entry]]) -> None:
    """Keep each of these entries under its key, as `keep` does; those for as long as each other in one trip."""
    by_ttl: dict[float, list[tuple[str, Entry]]] = {}
    for key, headers, entry in kept:
        by_ttl.setdefault(retention(entry), []).extend(_placed(key, policy, headers, entry))
    for ttl, pairs in by_ttl.items():
        await store.multi_set(pairs, ttl=ttl)


def _placed(key: str, policy: CachePolicy, headers: Headers, entry: Entry) -> Iterator[tuple[str, Entry]]:
    """What is to be put where: a signpost first, where it varies."""
    names = selecting(policy, entry.headers)
    if names:
        yield key, Entry(SIGNPOST, tuple(("vary", name) for name in names), b"", entry.at, entry.lifetime, scopes=entry.scopes)
    yield variant_of(key, names, headers) if names else key, entry


def _names(post: Entry) -> tuple[str, ...]:
    return tuple(name for _, name in post.headers)
