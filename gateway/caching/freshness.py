"""How long a reply is fresh, how old it is, and whether it is served as it is (RFC 9111, section 4.2; RFC 5861)."""

from __future__ import annotations

from enum import Enum

from gateway.caching.dates import read_date
from gateway.caching.directives import NONE, Directives, of_reply, seconds, targeted
from gateway.caching.entry import Entry
from gateway.call import Headers

HEURISTIC_SHARE = 0.1
"""Of the time since it was modified, that a reply is taken to stay the same for (RFC 9111, section 4.2.2)."""

HEURISTIC_LONGEST = 86_400.0

NEVER_STALE = frozenset({"must-revalidate", "proxy-revalidate", "no-cache"})
"""Directives of a reply by which nobody gets it stale, whoever would take it (RFC 9111, section 4.2.4)."""


class Use(Enum):
    """What an entry is good for."""

    FRESH = "fresh"
    """It is served as it is."""

    REVALIDATE_BEHIND = "revalidate behind"
    """It is served as it is, while a newer one is fetched that nobody waits for."""

    ASK = "ask"
    """It is good for asking whether it still holds, and to fall back on."""


def decide(entry: Entry, now: float, request: Directives = NONE) -> Use:
    """What this entry is good for, for a request with these directives (RFC 9111, sections 4.2 and 5.2.1; RFC 5861, section 3)."""
    stale_for = now - entry.at - entry.lifetime
    if request:
        return _decide_as_asked(entry, now, stale_for, request)
    if stale_for < 0:
        return Use.FRESH
    return Use.REVALIDATE_BEHIND if stale_for < entry.stale_while_revalidate else Use.ASK


def may_serve_on_error(entry: Entry, now: float) -> bool:
    """It is better than a failure (RFC 5861, section 4)."""
    return now - entry.at - entry.lifetime < entry.stale_if_error


def age_of(entry: Entry, now: float) -> float:
    """Seconds since the origin made it, or said that it holds (RFC 9111, section 4.2.3)."""
    return max(0.0, now - entry.at + entry.age)


def age_said(headers: Headers) -> float:
    """Seconds that a reply is old by its own word, 0 where it has none that can be read (RFC 9111, section 5.1).

    Its `Date` is not asked: an origin whose clock is slow would have nothing kept (section 4.2.3 leaves that open).
    """
    lines = (text for name, text in headers if name == "age")
    return float(seconds(next(lines, "").partition(",")[0].strip(" \t")) or 0)


def explicit_lifetime(headers: Headers, sent_at: float) -> float | None:
    """Seconds from its making for which a reply says that it is fresh, None when it does not say (RFC 9111, section 4.2.1). Without a
    `Date` it was made when it was asked for, from where its time is counted.
    """
    said = of_reply(headers)
    for name in ("s-maxage", "max-age"):
        if name in said:
            # What cannot be read is stale: it was meant to say something.
            return float(seconds(said[name]) or 0)
    expires = [text for name, text in headers if name == "expires"]
    if not expires or targeted(headers) is not None:
        return None
    until = read_date(expires[0], sent_at) if len(set(expires)) == 1 else None
    return 0.0 if until is None else max(0.0, until - _date(headers, "date", sent_at, sent_at))


def heuristic_lifetime(headers: Headers, sent_at: float) -> float:
    """Seconds for which a reply is taken to be fresh that does not say, by how long it had been the same (RFC 9111, section 4.2.2)."""
    made = _date(headers, "date", sent_at, sent_at)
    unchanged = made - _date(headers, "last-modified", sent_at, made)
    return min(max(0.0, unchanged * HEURISTIC_SHARE), HEURISTIC_LONGEST)


def _decide_as_asked(entry: Entry, now: float, stale_for: float, request: Directives) -> Use:
    limits = {name: seconds(request[name]) or 0 for name in ("max-age", "min-fresh") if name in request}
    if "no-cache" in request or age_of(entry, now) > limits.get("max-age", float("inf")):
        return Use.ASK
    if stale_for < -limits.get("min-fresh", 0):
        return Use.FRESH
    if "max-stale" in request and "min-fresh" not in limits and _bears_staleness(entry, stale_for, request["max-stale"]):
        return Use.FRESH
    # Who says how fresh it must be takes none that is stale.
    return Use.REVALIDATE_BEHIND if not limits and 0 <= stale_for < entry.stale_while_revalidate else Use.ASK


def _bears_staleness(entry: Entry, stale_for: float, allowed: str | None) -> bool:
    if NEVER_STALE & of_reply(entry.headers).keys():
        return False
    return allowed is None or stale_for <= (seconds(allowed) or 0)


def _date(headers: Headers, name: str, now: float, default: float) -> float:
    text = next((text for key, text in headers if key == name), "")
    date = read_date(text, now)
    return default if date is None else date
