"""What an answer's replies say of how long it is good, and what is kept of it. The strictest of them is right for all. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.caching import Entry
from gateway.caching.directives import members, of_reply, parse
from gateway.caching.freshness import NEVER_STALE, age_of, age_said, explicit_lifetime
from gateway.caching.merging import Merged, Part, merge
from gateway.call import Gathered, Headers, Outcome, Reply
from gateway.policy import CachePolicy

CREDENTIALS = frozenset({"authorization", "cookie"})
"""Header fields that tell who asks."""

FOR_ONE = frozenset({"no-store", "private"})
"""Directives by which nobody but the client keeps it."""

_OF_THIS_REQUEST = ("age", "cache-status")


def merged(replies: Iterable[Reply], now: float, policy: CachePolicy | None, *, is_private: bool) -> Merged:
    """What the replies say for an answer that is made of them; where they do not, and at most, the policy of the endpoint does. It is
    private where the endpoint reads a client's credentials.
    """
    own = [] if policy is None or policy.ttl is None else [Part((), left=policy.ttl, is_private=is_private)]
    return merge([*own, *(_part(reply, now, policy, is_private=is_private) for reply in replies)])


def _part(reply: Reply, now: float, policy: CachePolicy | None, *, is_private: bool) -> Part:
    ttl = policy.ttl if policy else None
    if policy and policy.ignore_upstream:
        return Part((), 0.0, ttl, is_private)
    age, left = _times(reply, now)
    lefts = [one for one in (ttl, left) if one is not None]
    return Part(reply.headers, age, min(lefts, default=None), is_private)


def _times(reply: Reply, now: float) -> tuple[float, float | None]:
    """How old a reply is and for how long it is fresh, in seconds: as what is kept of it, or by its own word."""
    if (entry := reply.entry) is not None:
        return age_of(entry, now), max(0.0, entry.at + entry.lifetime - now)
    age = age_said(reply.headers)
    if of_reply(reply.headers).get("no-cache", "") is None:
        return age, 0.0
    lifetime = explicit_lifetime(reply.headers, now)
    return age, None if lifetime is None else max(0.0, lifetime - age)


def replies_among(outcomes: Iterable[Outcome]) -> list[Reply]:
    """What an answer is made of: the steps' replies, and of a loop each of its own."""
    replies: list[Reply] = []
    for outcome in outcomes:
        if isinstance(outcome, Gathered):
            replies += outcome.parts
        elif isinstance(outcome, Reply):
            replies.append(outcome)
    return replies


def is_for_all(headers: Headers, replies: Iterable[Reply]) -> bool:
    """Whoever asks the same may have an answer with this head: neither that, which the config makes, nor a reply says otherwise."""
    names = {name for name, _ in headers}
    if "set-cookie" in names or FOR_ONE & parse(headers).keys() or "*" in members(headers, "vary"):
        return False
    return not any(FOR_ONE & of_reply(reply.headers).keys() for reply in replies)


def entry_of(
    policy: CachePolicy, headers: Headers, body: bytes, good: Merged, asked: float, scopes: tuple[str, ...]
) -> Entry | None:
    """What is kept of a whole answer that was begun then and is good for so long; None when it is not to be, or would be good for nothing."""
    if good.left is None or len(body) > policy.max_size:
        return None
    bears_staleness = not NEVER_STALE & parse((("cache-control", good.cache_control or ""),)).keys()
    entry = Entry(
        status=200,
        headers=tuple(line for line in headers if line[0] not in _OF_THIS_REQUEST),
        body=body,
        at=asked,
        lifetime=good.left,
        age=good.age,
        stale_while_revalidate=policy.stale_while_revalidate if bears_staleness else 0.0,
        stale_if_error=policy.stale_if_error if bears_staleness else 0.0,
        scopes=scopes,
    )
    return entry if retention(entry) > 0 else None


def retention(entry: Entry) -> float:
    """Seconds from when it was asked for after which nobody has a use for it."""
    return entry.lifetime + max(entry.stale_while_revalidate, entry.stale_if_error)
