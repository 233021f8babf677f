"""Bytes → replies, by llhttp (through httptools), which is strict about where messages and lines end.

What it leaves to us: that a reply to HEAD has no body, how large a head may be, and which codings were not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import httptools

from gateway.errors import BadReply, CallError
from gateway.syntax import BODILESS
from gateway.transport.reply import Incoming

_OF_BODY = frozenset({b"content-length", b"transfer-encoding", b"content-encoding"})
"""The fields that say what follows the head …"""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KNOWN = frozenset({b"chunked", b"compress", b"deflate", b"gzip", b"identity", b"trailers", b"x-compress", b"x-gzip"})
"""Transfer codings that are registered, or were (RFC 9112, section 7)."""

_LENGTHS = frozenset(map(len, _OF_BODY))
"""… and how long their names are, which rules most others out."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What the head of a reply may be."""

    size: int = 64 * 1024
    """Bytes of a head, and of trailers or whatever else stands between two parts of a body."""

    interim: int = 10
    """1xx replies before the real one."""


class Reading:
    """Reads one connection's replies, one after the other.

    One parser reads them all: one for each would cost 1.7 µs where reading a reply costs 1.0, and leave a cycle of references to the
    garbage collector. What ends in any way but cleanly ends the connection too, and the parser with it.
    """

    reply: Incoming
    """What comes is this, and only comes while there is one."""

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> None:
        """Bytes of the reply, cut anywhere. Raises `BadReply`."""
        reply = self.reply
        reply.bare += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # After the end of the reply it is not the reply that is wrong.
            reply.has_more = True
            if not reply.is_complete:
                raise _refusal(error) from None
        if reply.bare > self._limits.size and not reply.is_complete:
            raise BadReply("too much that is no body")

    def end(self) -> None:
        """Nothing more will come. The parser has us, and we have it."""
        del self._parser

    # -- what the parser tells --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The parser's: something begins; after the end of the reply it is nothing of ours."""
        self.reply.has_more = self.reply.is_complete
        # Trailers of the one before.
        self._fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's: a field, of the head or a trailer."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser's: the head is there, of the reply or of an interim one."""
        reply = self.reply
        if reply.is_complete:
            return
        # What is collected from here on are trailers.
        reply.headers, self._fields = self._fields, []
        status = self._parser.get_status_code()
        if status < 200:
            self._pass_interim(reply, status)
            return
        told = _of_body(reply.headers)
        self._check_head(reply, told.get(b"transfer-encoding"))
        reply.status = status
        if b"content-encoding" in told:
            reply.decode(told.pop(b"content-encoding").decode("latin-1").lower())
        if reply.ready.method == "HEAD":
            # Its head is that of a GET, and no body follows; the parser does not know what was asked.
            reply.is_complete = True
        elif status in BODILESS:
            # What is announced where no body may be could yet come, and be taken for the next reply.
            reply.keeps_alive = not told and self._parser.should_keep_alive()
        else:
            reply.is_until_close = b"content-length" not in told and not _is_chunked(told.get(b"transfer-encoding"))
            reply.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """The parser's: bytes of the body."""
        reply = self.reply
        if not reply.is_complete:
            reply.bare = 0
            reply.take(part)

    def on_message_complete(self) -> None:
        """The parser's: a message has ended; an interim one ends nothing."""
        self.reply.is_complete = self.reply.status > 0

    # -- within -----------------------------------------------------------------------------------------------------

    def _pass_interim(self, reply: Incoming, status: int) -> None:
        reply.interim += 1
        if status == 101:
            raise BadReply("another protocol than the one that was spoken")
        if reply.interim > self._limits.interim:
            raise BadReply("too many interim replies")

    def _check_head(self, reply: Incoming, coding: bytes | None) -> None:
        size = self._limits.size
        if reply.bare > size and sum(len(name) + len(value) for name, value in reply.headers) > size:
            raise BadReply("a head that is too large")
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadReply("a version of HTTP that was not asked for")
        if coding is not None and (version == "1.0" or not (_is_chunked(coding) or _is_nobodys(coding))):
            raise BadReply("a transfer coding that was not asked for")


def _is_chunked(coding: bytes | None) -> bool:
    return coding is not None and coding.lower() == b"chunked"


def _is_nobodys(coding: bytes) -> bool:
    """It has a name that says nothing to anybody. Then the end of the connection is that of the body (RFC 9112, section 6.3), which is as it
    came, to Apache's httpd and to browsers too; what is known and was not asked for could only be taken for something else.
    """
    return _TOKEN.fullmatch(coding) is not None and coding.lower() not in _KNOWN


def _of_body(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """What is told of the body; a field that is repeated has all its values."""
    told: dict[bytes, bytes] = {}
    for name, value in headers:
        if len(name) in _LENGTHS and (lowered := name.lower()) in _OF_BODY:
            told[lowered] = told[lowered] + b", " + value.rstrip() if lowered in told else value.rstrip()
    return told


def _refusal(error: httptools.HttpParserError) -> CallError:
    """What went wrong: our own complaint, raised in a callback, or the parser's."""
    if isinstance(error.__context__, CallError):
        return error.__context__
    return BadReply("not HTTP")
