"""What a client's own conditions come to where the answer is at hand (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re

from gateway.caching.dates import read_date
from gateway.call import Headers

OF_A_READER = frozenset({"if-none-match", "if-modified-since", "range", "if-range"})
"""Fields of a request that who keeps a whole answer answers by itself."""

OF_A_WRITER = frozenset({"if-match", "if-unmodified-since"})
"""Fields whose condition only the origin can hold to."""

IN_304 = frozenset({"cache-control", "content-location", "date", "etag", "expires", "vary", "last-modified", "age"})
"""What a 304 says of the answer that it stands for (RFC 9110, section 15.4.5)."""

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.IGNORECASE)


def is_unmodified(answer: Headers, request: Headers, at: float) -> bool:
    """The client has this answer already, which was made at the time `at` if it does not say (RFC 9110, sections 13.1.2 and 13.1.3)."""
    tags = [text for name, text in request if name == "if-none-match"]
    if tags:
        return _matches(",".join(tags), _first(answer, "etag"))
    since = _first(request, "if-modified-since")
    date = read_date(since, at) if since else None
    if date is None:
        return False
    modified = _first(answer, "last-modified") or _first(answer, "date")
    known = read_date(modified, at) if modified else None
    return (at if known is None else known) <= date


def part_asked(answer: Headers, size: int, request: Headers) -> tuple[int, int] | None:
    """The first byte that is asked for and the one behind the last; None where the whole is to be sent.

    That is also where several parts are asked for, none is there, or the client has parts of another answer: a range may be ignored
    (RFC 9110, sections 14.2 and 13.1.5).
    """
    match = _RANGE.fullmatch(_first(request, "range") or "")
    if match is None or not _is_same(answer, _first(request, "if-range")):
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    return (start, end) if start < end else None


def _matches(asked: str, tag: str | None) -> bool:
    """Weakly: what is the same for the client need not be so to the byte."""
    if asked.strip() == "*":
        return True
    return tag is not None and tag.removeprefix("W/") in _TAG.findall(asked)


def _is_same(answer: Headers, condition: str | None) -> bool:
    """Strongly: parts of two answers make none."""
    if condition is None:
        return True
    if condition.endswith('"'):
        return not condition.startswith("W/") and condition == _first(answer, "etag")
    return condition == _first(answer, "last-modified")


def _first(headers: Headers, name: str) -> str | None:
    return next((text for key, text in headers if key == name), None)
