"""Bodies and their codings: what went in comes out, within bounds, and nothing that ends early or late is taken for whole."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadReply, TooLarge
from gateway.transport.body import FREE, RATIO, Body


def raw_deflate(data: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-15)
    return deflating.compress(data) + deflating.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("identity", lambda data: data),
    "gzip": ("gzip", gzip.compress),
    "gzip-by-its-old-name": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate-without-its-wrapping": ("deflate", raw_deflate),
}


def taken(coding: str, *parts: bytes, limit: int = 10_000_000) -> bytes:
    """The body that comes in these parts."""
    body = Body(limit)
    body.decode(coding)
    for part in parts:
        body.take(part)
    return body.whole()


@given(st.sampled_from(sorted(CODINGS)), st.binary(max_size=2000), st.integers(1, 200))
def test_what_went_in_comes_out(name: str, data: bytes, size: int) -> None:
    """However the network cuts it."""
    coding, encode = CODINGS[name]
    sent = encode(data)

    assert taken(coding, *[sent[at : at + size] for at in range(0, len(sent), size)]) == data


def test_a_body_may_be_as_large_as_its_limit_and_no_larger() -> None:
    """Decoded: what counts is what it takes here."""
    for coding, encode in CODINGS.values():
        assert taken(coding, encode(b"x" * 1000), limit=1000) == b"x" * 1000
        with pytest.raises(TooLarge):
            taken(coding, encode(b"x" * 1001), limit=1000)


def test_a_bomb_takes_no_more_memory_than_its_limit() -> None:
    """Four hundred megabytes, of which eleven were never there."""
    deflating = zlib.compressobj(wbits=31)
    bomb = b"".join(deflating.compress(b"\0" * 4_000_000) for _ in range(100)) + deflating.flush()
    tracemalloc.start()

    with pytest.raises(TooLarge):
        taken("gzip", bomb, limit=10_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 21_000_000


def test_a_body_that_grows_a_hundredfold_is_a_bomb_once_it_is_large() -> None:
    """Below its limit, too; repetitive text of ordinary size may grow as it likes."""
    ordinary, large = gzip.compress(b"0" * FREE), gzip.compress(b"0" * (FREE + RATIO))

    assert len(taken("gzip", ordinary)) == FREE > RATIO * len(ordinary)
    with pytest.raises(TooLarge):
        taken("gzip", large)


@pytest.mark.parametrize("name", ["gzip", "deflate", "deflate-without-its-wrapping"])
def test_an_encoded_body_ends_where_its_coding_ends(name: str) -> None:
    """Not before, and not behind: neither garbage nor a second member."""
    coding, encode = CODINGS[name]
    sent = encode(b"some text" * 10)

    for parts in ([sent[:-1]], [sent[:1]], [sent + b"x"], [sent, b"x"], [sent, sent], [b"\xff" + sent[1:]]):
        with pytest.raises(BadReply):
            taken(coding, *parts)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, identity", ""])
def test_a_coding_that_nobody_asked_for_is_refused(coding: str) -> None:
    """At once, before a byte of the body is looked at."""
    with pytest.raises(BadReply, match="not asked for"):
        Body(1000).decode(coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_no_body_is_no_body_in_every_coding(coding: str) -> None:
    """A reply to HEAD and a 304 tell of the coding that a body would have."""
    assert taken(coding) == b""


def test_a_body_in_a_million_parts_weighs_little_more_than_it_holds() -> None:
    """An upstream may send one byte at a time."""
    body = Body(10_000_000)
    tracemalloc.start()

    for number in range(300_000):
        body.take(number.to_bytes(3, "big"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(body.whole()) == 900_000
    assert peak < 3_000_000
