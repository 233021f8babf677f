"""Asking whether an entry still holds, and what becomes of it when it does (RFC 9111, sections 4.3.1, 4.3.4 and 3.2)."""

from __future__ import annotations

from gateway.caching.directives import members
from gateway.caching.entry import Entry
from gateway.caching.storing import OF_A_CONNECTION, make_entry, may_be_asked_about
from gateway.call import Call, Headers, Reply
from gateway.policy import CachePolicy

NEVER_UPDATED = OF_A_CONNECTION | {
    "content-length", "content-encoding", "content-range", "content-md5", "content-digest", "repr-digest", "etag",
}  # fmt: skip
"""Fields that say which body it is that is kept: a 304 has none, and cannot know."""

_ASKING = {"etag": "if-none-match", "last-modified": "if-modified-since"}


def validators(entry: Entry) -> Headers:
    """The fields to send for a 304, empty when the entry has nothing to be known by (RFC 9111, section 4.3.1)."""
    if not may_be_asked_about(entry):
        return ()
    known = {_ASKING[name]: text for name, text in reversed(list(entry.headers)) if name in _ASKING}
    return tuple(sorted(known.items(), reverse=True))


def updated(entry: Entry, headers: Headers) -> Reply:
    """The reply that is kept, with what a 304 says anew: a field that it has takes the place of all lines of that name (RFC 9111,
    section 3.2).
    """
    never = {*NEVER_UPDATED, *members(headers, "connection")}
    new = tuple((name, text) for name, text in headers if name not in never)
    names = {name for name, _ in new}
    return Reply(entry.status, (*(line for line in entry.headers if line[0] not in names), *new), entry.body)


def freshened(
    entry: Entry, reply: Reply, policy: CachePolicy, call: Call, sent_at: float, scopes: tuple[str, ...] = ()
) -> Entry | None:
    """The entry as new after a 304 (RFC 9111, section 4.3.4); None when it says that nothing is to be kept from now on."""
    return make_entry(policy, call, updated(entry, reply.headers), sent_at, scopes)
