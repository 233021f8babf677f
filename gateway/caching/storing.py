"""What is kept of a reply, and for how long (RFC 9111, section 3). `private` and `no-store` are law; all else a policy adds to."""

from __future__ import annotations

from gateway.caching.directives import Directives, members, of_reply, of_request, seconds
from gateway.caching.entry import Entry
from gateway.caching.freshness import NEVER_STALE, age_said, explicit_lifetime, heuristic_lifetime
from gateway.caching.keys import uri_scope
from gateway.call import Call, Headers, Reply
from gateway.policy import CachePolicy

HEURISTIC = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
"""Statuses of replies that may be kept without a word about it (RFC 9110, section 15.1)."""

NEGATIVE = frozenset({404, 405, 410, 414, 501})
"""Those that say that there is nothing, for which a policy has a time of their own."""

UNDERSTOOD = HEURISTIC | {302, 303, 307, 400, 401, 403, 406, 409, 415, 422, 429, 500, 502, 503, 504}
"""Statuses that mean to us what they mean to the origin (RFC 9111, section 5.2.2.3)."""

IN_PARTS = frozenset({206, 304})
"""Statuses of replies that are not the whole."""

CREDENTIALS = frozenset({"authorization", "cookie"})
FOR_ALL = frozenset({"public", "s-maxage", "must-revalidate"})
"""Directives by which a reply to a request with credentials is for others too (RFC 9111, section 3.5)."""

OF_A_CONNECTION = frozenset({
    "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection", "proxy-authenticate",
    "proxy-authentication-info", "proxy-authorization",
})  # fmt: skip
"""Fields that are not the reply's own (RFC 9111, section 3.1)."""

TO_ASK = 3600.0, 86_400.0
"""Seconds, at least and at most, that an entry is kept on for asking whether it still holds; between them, as long again as it was fresh."""


def make_entry(policy: CachePolicy, call: Call, reply: Reply, sent_at: float, scopes: tuple[str, ...] = ()) -> Entry | None:
    """What is kept of the reply to a call that was sent then; None when it is not to be, or would be good for nothing. The `scopes` come
    on top of those of its upstream and its resource.
    """
    said = of_reply(reply.headers)
    if not _may_be_kept(policy, call, reply, said):
        return None
    heeded: Directives = {} if policy.ignore_upstream else said
    fresh = _lifetime(policy, call, reply, heeded, sent_at)
    age = age_said(reply.headers)
    # What is no good is not served beyond its time: it is no better than a failure.
    good = _is_good(call, reply)
    whole = Entry(
        status=reply.status,
        headers=_own(reply.headers, said),
        body=reply.body,
        at=sent_at,
        lifetime=fresh if policy.ignore_upstream else fresh - age,
        age=age,
        stale_while_revalidate=_window("stale-while-revalidate", policy.stale_while_revalidate, heeded) if good else 0.0,
        stale_if_error=_window("stale-if-error", policy.stale_if_error, heeded) if good else 0.0,
        scopes=(f"upstream:{call.upstream}", uri_scope(call.upstream, call.target), *scopes),
    )
    return whole if retention(whole) > 0 else None


def retention(entry: Entry) -> float:
    """Seconds from when it was asked for after which nobody has a use for it."""
    served = entry.lifetime + max(entry.stale_while_revalidate, entry.stale_if_error)
    if not may_be_asked_about(entry):
        return max(0.0, served)
    least, most = TO_ASK
    return max(0.0, served) + min(max(entry.lifetime, least), most)


def may_be_asked_about(entry: Entry) -> bool:
    """It has something to be known by. What is not good has not: a 304 says that what is there is the same, and there was nothing."""
    return 200 <= entry.status < 300 and any(name in ("etag", "last-modified") for name, _ in entry.headers)


def _may_be_kept(policy: CachePolicy, call: Call, reply: Reply, said: Directives) -> bool:
    if reply.status in IN_PARTS or len(reply.body) > policy.max_size or "no-store" in of_request(call.headers):
        return False
    if "private" in said or not _is_understood(reply.status, said):
        return False
    if "*" in members(reply.headers, "vary") or (reply.header("set-cookie") is not None and not policy.set_cookie):
        return False
    return _is_for_all(policy, call, said)


def _is_understood(status: int, said: Directives) -> bool:
    """`no-store` forbids, but where it stands only for those who do not know what to do with the status (RFC 9111, section 5.2.2.3)."""
    return status in UNDERSTOOD if "must-understand" in said else "no-store" not in said


def _is_for_all(policy: CachePolicy, call: Call, said: Directives) -> bool:
    """It is for all who have its key: their credentials are in that, there are none, or the upstream says so. Who writes a `key` has said
    what tells clients apart.
    """
    if policy.vary_on is None:
        return True
    return bool(FOR_ALL & said.keys()) or not any(name in CREDENTIALS.difference(policy.vary_on) for name, _ in call.headers)


def _is_good(call: Call, reply: Reply) -> bool:
    """It is what was asked for; where bodies go by, whatever came is."""
    return call.passage is not None or call.expects.takes(reply.status)


def _lifetime(policy: CachePolicy, call: Call, reply: Reply, heeded: Directives, sent_at: float) -> float:
    """Seconds from its making for which it is fresh."""
    if heeded.get("no-cache", "") is None:
        return 0.0
    explicit = None if policy.ignore_upstream else explicit_lifetime(reply.headers, sent_at)
    negative = policy.negative_ttl if reply.status in NEGATIVE else 0.0
    if not _is_good(call, reply):
        return negative if explicit is None else min(negative, explicit)
    return _unsaid(policy, call, reply, heeded, sent_at) if explicit is None else explicit


def _unsaid(policy: CachePolicy, call: Call, reply: Reply, heeded: Directives, sent_at: float) -> float:
    """How long it is fresh when its upstream says nothing of it."""
    if call.passage and reply.status in NEGATIVE and (policy.negative_ttl or policy.ttl):
        return policy.negative_ttl
    if policy.ttl is not None:
        return policy.ttl if not call.passage or reply.status in HEURISTIC else 0.0
    return heuristic_lifetime(reply.headers, sent_at) if reply.status in HEURISTIC or "public" in heeded else 0.0


def _window(name: str, written: float, heeded: Directives) -> float:
    """Seconds for which it may be served stale: the longer of what is written here and what the upstream says (RFC 5861)."""
    if NEVER_STALE & heeded.keys():
        return 0.0
    # With `s-maxage` the upstream allows no more than it says itself (RFC 9111, section 5.2.2.10).
    return max(0.0 if "s-maxage" in heeded else written, float(seconds(heeded.get(name)) or 0))


def _own(headers: Headers, said: Directives) -> Headers:
    """The fields that are the reply's own: not its connection's, not its age, not those that must be asked for anew each time."""
    fields = said.get("no-cache") or ""
    gone = {"age", *OF_A_CONNECTION, *members(headers, "connection"), *(name.strip().lower() for name in fields.split(","))}
    return tuple((name, text) for name, text in headers if name not in gone)
