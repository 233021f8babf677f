"""Replies that no server should give, byte by byte."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import repeat
from random import Random

from faults.server import Asked, FaultServer, Then

JSON = "Content-Type: application/json"
CLOSE = "Connection: close"
OK = f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode()
KEPT = FaultServer.reply(b'{"ok":true}', "200 OK", JSON)
"""A good one on a connection that stays open."""

TAKEN = FaultServer.reply()
"""What a collector says that has all that it was sent."""

TEN = OK + b"Content-Length: 10\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
UNTIL_THE_END = OK + b"\r\n"
STRAY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n"stray!"'
"""Bytes that belong to nobody, and that a careless client gives to the next caller."""

MIB = 1024**2
PAUSE = 0.2
"""Seconds between two bytes that trickle."""

FIRST_LINE = b"HTTP/1.1 200 OK\r\n"

HANGS = (Then.HANG,)
HANGS_AFTER_THE_HEAD = (TEN, Then.HANG)
CLOSES = (Then.FIN,)
RESETS = (Then.RST,)
RESETS_IN_THE_BODY = (TEN + b'{"a":', 0.02, Then.RST)
CLOSES_IN_THE_BODY = (TEN + b'{"a":', Then.FIN)
CLOSES_IN_A_CHUNK = (CHUNKED + b'a\r\n{"a":', Then.FIN)
CLOSES_BETWEEN_CHUNKS = (CHUNKED + b"2\r\n{}\r\n", Then.FIN)
RESETS_WHAT_THE_END_ENDS = (UNTIL_THE_END + b'{"a":1}', 0.02, Then.RST)
TORN_WHERE_THE_END_ENDS = (UNTIL_THE_END + b'{"a":', Then.FIN)
LONGER_THAN_SAID = OK + b"Content-Length: 2\r\n\r\n{}" + STRAY
BODY_ON_204 = b"HTTP/1.1 204 No Content\r\n\r\n" + STRAY
BODY_ON_304 = b"HTTP/1.1 304 Not Modified\r\n\r\n" + STRAY
LATE_BYTES = (KEPT, 0.05, STRAY)
BOTH_FRAMINGS = OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + STRAY
TWO_LENGTHS = OK + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}"
GARBAGE = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\x00\xff\xfe\r\n\r\n", Then.HANG)
BAD_STATUS = (b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}", Then.HANG)
LARGE_HEAD = (FIRST_LINE + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(2000)) + b"\r\n", Then.HANG)
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000 + FaultServer.reply(b"{}", "200 OK", JSON, CLOSE)


def body(text: bytes, kind: str = JSON, *fields: str) -> bytes:
    """A reply that is well but for its body."""
    return FaultServer.reply(text, "200 OK", kind, CLOSE, *fields)


def status(line: str, *fields: str) -> bytes:
    """A good reply that says no."""
    return FaultServer.reply(b"{}", line, JSON, CLOSE, *fields)


HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
NAN = body(b'{"a":NaN}')
DEEP = body(b"[" * 100_000 + b"]" * 100_000)
TWICE = body(b'{"a":1,"a":2}')
CORRUPT = body(b"\x1f\x8b\x08\x00not a deflated stream", JSON, "Content-Encoding: gzip")


def trickled(_: Asked) -> Iterator[bytes | float]:
    """A body of ten bytes a second, for ever."""
    yield CHUNKED
    while True:
        yield PAUSE
        yield b"1\r\n \r\n"


def trickled_head(_: Asked) -> Iterator[bytes | float]:
    """Headers a byte at a time, for ever."""
    yield FIRST_LINE + b"X: "
    while True:
        yield PAUSE
        yield b"x"


def large(_: Asked) -> Iterator[bytes]:
    """Half a gibibyte, as announced."""
    yield OK + b"Content-Length: %d\r\n\r\n" % (512 * MIB)
    yield from repeat(b"x" * MIB, 512)


def endless(_: Asked) -> Iterator[bytes]:
    """Chunks without end."""
    yield CHUNKED
    yield from repeat(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB))


def bomb(_: Asked) -> bytes:
    """400 KiB of gzip that are 400 MiB, but for the sum at their end, which nobody should get to."""
    packer = zlib.compressobj(wbits=31)
    start = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush what follows depends on nothing before it, so that it can be had again for nothing.
    part = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return body(start + part * 400, JSON, "Content-Encoding: gzip")


def flapping(seed: int = 26) -> Iterator[bytes]:
    """Half of the replies are a 503, by lot; the same ones each time."""
    chance = Random(seed)
    while True:
        yield status("503 Service Unavailable") if chance.random() < 0.5 else body(b"{}")
