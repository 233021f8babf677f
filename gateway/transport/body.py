"""A reply's body, collected within a bound and freed of its coding within a bound.

A few kilobytes of gzip can be gigabytes. What comes out is counted as it comes, and no more of it is made than is wanted.
"""

from __future__ import annotations

import zlib

from gateway.errors import BadReply, TooLarge

MANY = 1024
"""Parts that are joined on the way, so that a million small ones weigh what they hold."""

RATIO = 100
"""Bytes out of one byte in, at most: text becomes ten, rarely twenty times as long, a bomb a thousand …"""

FREE = 1024 * 1024
"""… of which so many are no bomb, whatever they were made from."""

_ZLIB, _RAW, _GZIP = 15, -15, 31
"""Zlib's names for its own formats."""


class Body:
    """Bytes so far."""

    # Set when there is need to.
    _size = 0
    _decoder: Decoder | None = None
    _packed: bytearray | None = None

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Bytes it may have in the end."""

        self._parts: list[bytes] = []

    def decode(self, coding: str) -> None:
        """What comes is encoded so. Raises `BadReply`."""
        if coding != "identity":
            self._decoder = Decoder(coding)

    def take(self, part: bytes) -> None:
        """Bytes as they came. Raises `TooLarge`, `BadReply`."""
        if self._decoder is not None:
            part = self._decoder(part, self.limit - self._size)
        self._size += len(part)
        if self._size > self.limit:
            raise TooLarge(f"more than {self.limit} bytes")
        self._parts.append(part)
        if len(self._parts) >= MANY:
            self._packed = self._packed or bytearray()
            self._packed += b"".join(self._parts)
            self._parts.clear()

    def whole(self) -> bytes:
        """All of it. Raises `BadReply` when its coding has not ended."""
        if self._decoder is not None:
            self._decoder.end()
        if len(self._parts) == 1 and self._packed is None:
            # Most come in one piece, which need not be copied.
            return self._parts[0]
        return b"".join((self._packed or b"", *self._parts))


class Decoder:
    """One coding, undone piece by piece."""

    def __init__(self, coding: str) -> None:
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise BadReply(f"encoded as {coding[:20]!r}, which was not asked for")
        self._coding = coding
        self._inflating: zlib._Decompress | None = None
        self._taken = self._given = 0

    def __call__(self, data: bytes, room: int) -> bytes:
        """The next bytes, at most one more than there is room for. Raises `TooLarge`, `BadReply`."""
        if self._inflating is None:
            self._inflating = zlib.decompressobj(self._format(data))
        try:
            decoded = self._inflating.decompress(data, room + 1)
        except zlib.error:
            raise BadReply("a body that does not decode") from None
        if self._inflating.unused_data:
            raise BadReply("something behind an encoded body")
        self._taken += len(data)
        self._given += len(decoded)
        if self._given > FREE and self._given > RATIO * self._taken:
            raise TooLarge(f"more than {RATIO} bytes out of each that came")
        return decoded

    def end(self) -> None:
        """No more will come. Raises `BadReply`."""
        # A reply to HEAD, or without a body, has an encoding of nothing.
        if self._inflating is not None and not self._inflating.eof:
            raise BadReply("an encoded body that does not end")

    def _format(self, data: bytes) -> int:
        """By its first byte `deflate` is what it should be, or what many send in its place (RFC 9110, section 8.4.1.2)."""
        if self._coding != "deflate":
            return _GZIP
        return _ZLIB if data[0] & 15 == zlib.DEFLATED else _RAW
