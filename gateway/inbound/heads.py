"""What stands before an answer that is kept, as the server takes it: the same for all who are served it within a second."""

from __future__ import annotations

from math import floor

from gateway.caching import Entry
from gateway.caching.cache_status import Member
from gateway.caching.freshness import age_of
from gateway.problem import RawHeaders

MOST = 1024
"""Heads that are at hand, about 2 MiB; without its body, which is the store's to keep or to drop."""


def head_of_kept(entry: Entry, at: float, said: Member) -> RawHeaders:
    """Its header fields, with how old it is and what the cache did."""
    fields = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in entry.headers]
    return [*fields, (b"age", b"%d" % age_of(entry, at)), (b"cache-status", str(said).encode())]


class HeadsState:
    """The heads of answers that are served often: each made once a second, since that is how exactly it tells the time (4 µs)."""

    def __init__(self) -> None:
        self._heads: dict[str, tuple[float, int, RawHeaders]] = {}
        """By the answer's key: when it was asked for, the second it was served in, and the head."""

    def of(self, key: str, entry: Entry, at: float) -> RawHeaders:
        """The head of an answer that is a hit; to be read, not written."""
        second = floor(at)
        found = self._heads.get(key)
        if found and found[0] == entry.at and found[1] == second:
            return found[2]
        if len(self._heads) >= MOST:
            self._heads.clear()
        head = head_of_kept(entry, at, Member(hit=True, ttl=entry.at + entry.lifetime - at))
        self._heads[key] = entry.at, second, head
        return head
