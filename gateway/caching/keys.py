"""Under which key a reply is kept, and by which scopes it is purged.

Without `vary_on` the key is all that is sent, header by header, so that two clients share an entry only when the upstream could not tell
them apart either. With it the key has only the headers that it names, and the reply's own `Vary` decides the rest (RFC 9111, section 4.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gateway.caching import Place
from gateway.caching.directives import members
from gateway.caching.entry import FORMAT
from gateway.call import Call, Headers
from gateway.formats.encode import encode_json
from gateway.policy import CachePolicy


def key_of(call: Call, policy: CachePolicy) -> str:
    """The key of what is kept of a call's reply. Steps that keep for different times do not share what they keep: neither gets what is
    older than it allows. Nor do those that purge by different tags, since an entry has those of one of them.
    """
    place = call.place
    named, tags = (place.named, place.tags) if place else (None, ())
    terms = [
        policy.ttl, policy.negative_ttl, policy.stale_while_revalidate, policy.stale_if_error, policy.ignore_upstream,
        policy.set_cookie, policy.tags, tags,
    ]  # fmt: skip
    if named is not None:
        return _digest([*terms, *_asked(call), named])
    if policy.vary_on is None:
        return _digest([*terms, _sent(call)])
    return _digest([*terms, *_asked(call), call.target, call.body, selected(call.headers, policy.vary_on)])


def digest_of(call: Call) -> str:
    """A digest of all that is sent, and of how its reply is read: calls with the same one are the same to their upstream."""
    return _digest(_sent(call))


def variant_of(key: str, names: Iterable[str], headers: Headers) -> str:
    """Where below a key the reply is kept that was chosen by these headers of the request (RFC 9111, section 4.1)."""
    return _digest([key, *selected(headers, names)])


def selecting(policy: CachePolicy, headers: Headers) -> tuple[str, ...]:
    """The names in a reply's `Vary` that its key does not have yet, in order."""
    if policy.vary_on is None and policy.key is None:
        return ()
    return tuple(sorted(set(members(headers, "vary")).difference(policy.vary_on or ())))


def selected(headers: Headers, names: Iterable[str]) -> list[list[str | None]]:
    """What a request has of these fields, so that values which say the same are the same; None for one that it does not have."""
    return [[name, _value(headers, name)] for name in sorted(names)]


def uri_scope(upstream: str, target: str) -> str:
    """The scope of all that is kept of one resource of an upstream, whatever else its key has."""
    return "uri:" + _digest([upstream, target])


def scopes_of(place: Place) -> tuple[str, ...]:
    """The scopes of what is kept at this place: its key, as a digest and as the config's words make it, and its tags."""
    named = [f"key:{''.join(place.named)}"] if place.named else []
    return (f"key:{place.key}", *named, *(f"tag:{tag}" for tag in place.tags))


def _digest(parts: object) -> str:
    return hashlib.sha256(encode_json(parts)).hexdigest()


def _sent(call: Call) -> list[object]:
    return [*_asked(call), call.target, list(call.headers), call.body]


def _asked(call: Call) -> list[object]:
    # What goes by is kept in the coding that it came in: nobody who reads replies could.
    form = "as it came" if call.passage else call.expects.format.name
    return [FORMAT, form, call.upstream, call.method]


def _value(headers: Headers, name: str) -> str | None:
    lines = [text for key, text in headers if key == name]
    if not lines:
        return None
    parts = [part.strip(" \t") for part in ",".join(lines).split(",")]
    return ",".join(_by_weight(parts) if name == "accept-language" else parts)


def _by_weight(parts: list[str]) -> list[str]:
    """Languages, whose case and order say nothing, but for their weights (RFC 9110, sections 12.5.4 and 12.4.2)."""
    return sorted(part.lower().replace(" ", "") for part in parts)
