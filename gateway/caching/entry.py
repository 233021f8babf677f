"""An entry: a reply as it is kept, with its times, and as bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.call import Headers
from gateway.formats.decode import Undecodable, decoder_of
from gateway.formats.encode import encode_json

FORMAT = 4
"""Of the bytes; those of another format are nobody's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A reply, or an answer, as it is kept. Never changed: what is newer is another entry."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    at: float
    """When it was asked for, in seconds since the epoch by a clock that does not jump: what is purged later is purged from it."""

    lifetime: float
    """Seconds from `at` for which it is fresh."""

    age: float = 0.0
    """Seconds that it was old when it was asked for: somebody on the way had kept it."""

    stale_while_revalidate: float = 0.0
    """Seconds after its lifetime in which it is served while a newer one is fetched (RFC 5861, section 3)."""

    stale_if_error: float = 0.0
    """Seconds after its lifetime in which it is served when nothing newer is to be had (RFC 5861, section 4)."""

    scopes: tuple[str, ...] = field(default=(), repr=False)
    """What it is purged by: `upstream:users`, `endpoint:GET /v1/home/{user_id}`, `tag:user-42`, `uri:…`."""

    def __bool__(self) -> bool:
        """There is one. Python would ask for its length, which goes through all of its headers."""
        return True

    def __len__(self) -> int:
        """Bytes that it takes in memory, about."""
        headers = sum(len(name) + len(value) + 120 for name, value in self.headers)
        return len(self.body) + headers + sum(len(scope) + 60 for scope in self.scopes) + 300

    def pack(self, key: str) -> bytes:
        """A line with all but the body, then the body. Key and length are in it so that a mixed-up or torn entry is known for one."""
        times = [self.at, self.lifetime, self.age, self.stale_while_revalidate, self.stale_if_error]
        head = [FORMAT, key, len(self.body), self.status, list(self.headers), times, list(self.scopes)]
        return encode_json(head) + b"\n" + self.body


class _Head(NamedTuple):
    """What is written before the body."""

    version: int
    owner: str
    size: int
    status: int
    headers: tuple[tuple[str, str], ...]
    times: tuple[float, float, float, float, float]
    scopes: tuple[str, ...]


_decode_head = decoder_of(_Head)


def unpack(key: str, stored: object) -> Entry | None:
    """What was packed under this key; None for anything else."""
    if not isinstance(stored, bytes):
        return None
    line, _, body = stored.partition(b"\n")
    try:
        head = _decode_head(line)
    except Undecodable:
        return None
    if (head.version, head.owner, head.size) != (FORMAT, key, len(body)):
        return None
    return Entry(head.status, head.headers, body, *head.times, head.scopes)
