"""What a client gets of an entry whose body goes by as it is kept: the whole of it, the part that was asked for, or that it has it already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.caching.cache_status import Member
from gateway.caching.conditions import IN_304, is_unmodified, part_asked
from gateway.caching.entry import Entry
from gateway.caching.freshness import age_of
from gateway.call import Headers
from gateway.passage import Passage
from gateway.syntax import BODILESS

CACHE_STATUS = b"cache-status"

_AT_ONCE = 64 * 1024
"""Bytes that are handed on at a time, so that a client is taken for silent only when it takes none of them."""

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Played:
    """An answer from what is kept."""

    status: int
    headers: RawHeaders = field(repr=False)
    body: memoryview = field(repr=False)

    async def into(self, passage: Passage) -> None:
        """Hand it to the client."""
        await passage.begin(self.status, self.headers)
        for at in range(0, len(self.body), _AT_ONCE):
            await passage.take(bytes(self.body[at : at + _AT_ONCE]))


def play(entry: Entry, method: str, asked: Headers, now: float, member: Member) -> Played:
    """The answer to a GET or HEAD with these headers (RFC 9110, sections 13.2.2 and 14.2; RFC 9111, section 4)."""
    told = [("age", str(int(age_of(entry, now))))]
    body = memoryview(entry.body)
    own: Headers = entry.headers
    status = entry.status
    if status == 200 and is_unmodified(own, asked, entry.at):
        status, body = 304, body[:0]
        own = [line for line in own if line[0] in IN_304]
    elif status == 200 and method == "GET" and (part := part_asked(own, len(body), asked)):
        told += [("content-range", f"bytes {part[0]}-{part[1] - 1}/{len(body)}"), ("content-length", str(part[1] - part[0]))]
        status, body = 206, body[slice(*part)]
        own = [line for line in own if line[0] not in ("content-length", "content-range")]
    elif status not in BODILESS and not any(name == "content-length" for name, _ in own):
        # It came in chunks, since nobody knew; now it is known.
        told.append(("content-length", str(len(body))))
    if method == "HEAD":
        body = body[:0]
    return Played(status, [*_raw((*own, *told)), status_line(own, member)], body)


def status_line(headers: Headers, member: Member) -> tuple[bytes, bytes]:
    """The one line of `Cache-Status`: what caches nearer to the origin said, then what this one did (RFC 9211, section 2)."""
    before = [text for name, text in headers if name == "cache-status"]
    return CACHE_STATUS, ", ".join([*before, str(member)]).encode("latin-1")


def as_text(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Header fields so that they come out again as they went in, whatever their bytes mean."""
    return tuple((name.decode("latin-1").lower(), value.strip().decode("latin-1")) for name, value in headers)


def _raw(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    return ((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers if name != "cache-status")
