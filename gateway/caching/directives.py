"""Directives of `Cache-Control` and its like. Where a field says two things, the stricter holds (RFC 9111, section 4.2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from gateway.call import Headers

Directives: TypeAlias = Mapping[str, str | None]
"""What is said, by name in lower case; None where a directive has no argument."""

NONE: Directives = MappingProxyType({})

LONGEST = 2**31
"""Seconds that any directive may come to (RFC 9111, section 1.2.2)."""

CACHE_CONTROL = "cache-control"
TARGETED = "cdn-cache-control"
"""The field for caches between an origin and its public (RFC 9213, section 3.1). Where it is, `Cache-Control` is not for us."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEMBER = re.compile(rf'[ \t]*({_TOKEN})(?:=(?:"((?:[^"\\]|\\.)*)"|({_TOKEN})))?[ \t]*(?:,|$)')
_WORD = re.compile(_TOKEN)

_FORBIDDING = frozenset({"no-store", "no-cache", "private", "must-revalidate", "proxy-revalidate"})
"""Directives that count wherever they stand, also in what cannot be read."""

_LARGER_IS_STRICTER = frozenset({"min-fresh"})
_WITHOUT_IS_STRICTER = frozenset({"no-cache", "private"})
"""Directives whose argument limits them to the header fields that it names."""

_BARE = r"(-?[0-9]{1,15})(?![0-9.])|(\?[01]|-?[0-9]{1,12}\.[0-9]{1,3}|\"(?:[ !#-\[\]-~]|\\[\"\\])*\"|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*|:[A-Za-z0-9+/=]*:)"
_KEY = r"[a-z*][a-z0-9_.*-]*"
_ITEM = re.compile(rf"({_KEY})(?:=(?:{_BARE}))?(?:; *{_KEY}(?:=(?:{_BARE}))?)*")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_DELTAS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})


def parse(headers: Headers, name: str = CACHE_CONTROL) -> Directives:
    """All that the lines of this field say (RFC 9111, section 5.2). What cannot be read counts where it forbids, and nowhere else."""
    said: dict[str, str | None] = {}
    for key, text in headers:
        if key == name:
            for directive, argument in _members(text):
                said[directive] = _stricter(directive, said[directive], argument) if directive in said else argument
    return said


def of_request(headers: Headers) -> Directives:
    """What a request asks of caches; `Pragma: no-cache` does where there is no `Cache-Control` (RFC 9111, section 5.4)."""
    names = [name for name, _ in headers]
    if CACHE_CONTROL in names:
        return parse(headers)
    return {"no-cache": None} if "pragma" in names and "no-cache" in parse(headers, "pragma") else NONE


def of_reply(headers: Headers) -> Directives:
    """What a reply asks of this cache: the targeted field, where there is a good one (RFC 9213, section 2.2), else `Cache-Control`."""
    said = targeted(headers)
    return parse(headers) if said is None else said


def targeted(headers: Headers) -> Directives | None:
    """The targeted field as the dictionary that it must be (RFC 8941, section 3.2); None where there is none, or it is not one."""
    lines = [text.strip(" \t") for name, text in headers if name == TARGETED]
    text = ", ".join(line for line in lines if line)
    if not text:
        return None
    said: dict[str, str | None] = {}
    for member in _COMMA.split(text):
        match = _ITEM.fullmatch(member)
        if match is None or (match[1] in _DELTAS and match[2] is None):
            return None
        said[match[1]] = match[2] or match[3]
    return {name: None if value == "?1" else value for name, value in said.items() if value != "?0"}


def seconds(text: str | None) -> int | None:
    """A number of seconds, at most `LONGEST`; None when it is none (RFC 9111, section 1.2.2)."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return min(int(text[-20:]) if len(text) < 21 else LONGEST, LONGEST)


def members(headers: Headers, name: str) -> list[str]:
    """What a field that is a list of names has in it, in lower case, on however many lines it is written."""
    texts = (text for key, text in headers if key == name)
    return [member.strip(" \t").lower() for text in texts for member in text.split(",") if member.strip(" \t")]


def _members(text: str) -> Iterator[tuple[str, str | None]]:
    at = 0
    while at < len(text):
        match = _MEMBER.match(text, at)
        if match:
            quoted = match[2]
            yield match[1].lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match[3]
            at = match.end()
            continue
        end = text.find(",", at) + 1 or len(text) + 1
        unread = {word.lower() for word in _WORD.findall(text[at:end])}
        yield from ((word, None) for word in unread & _FORBIDDING)
        at = end


def _stricter(name: str, one: str | None, other: str | None) -> str | None:
    if name in _WITHOUT_IS_STRICTER:
        return None if one is None or other is None else f"{one}, {other}"
    numbers = seconds(one), seconds(other)
    if None in numbers:
        # A number that is none is stale at once; `max-stale` without one allows any.
        return (one or other) if name == "max-stale" else one if numbers[0] is None else other
    first, second = int(one or 0), int(other or 0)
    return one if (first > second) == (name in _LARGER_IS_STRICTER) else other
