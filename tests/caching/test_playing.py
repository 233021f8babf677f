"""Playing: what a client gets of what is kept, and taping: what is kept of what goes by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching import Entry
from gateway.caching.cache_status import Member
from gateway.caching.playing import as_text, play
from gateway.caching.taping import AT_ONCE, TapesState
from gateway.passage import Flow

AT = 1_790_000_000.0


class Client:
    """A passage to somebody who writes down what he gets."""

    def __init__(self) -> None:
        self.flow = Flow(0, 30.0)
        self.head: tuple[int, dict[bytes, bytes]] = (0, {})
        self.parts: list[bytes] = []

    async def body(self) -> AsyncIterator[bytes]:
        for part in ():
            yield part

    async def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.head = status, dict(headers)

    async def take(self, part: bytes) -> None:
        self.parts.append(part)


def kept(*headers: tuple[str, str], status: int = 200, body: bytes = b"0123456789") -> Entry:
    """An entry that was ten seconds old when it came."""
    return Entry(status, headers, body, AT, 60.0, 10.0)


async def test_a_large_body_is_played_in_parts() -> None:
    """So that a slow reader is not taken for one who has gone."""
    client = Client()
    body = bytes(200_000)

    await play(kept(body=body), "GET", (), AT + 5.9, Member(hit=True)).into(client)

    assert b"".join(client.parts) == body
    assert max(map(len, client.parts)) <= 65_536
    assert client.head == (200, {b"age": b"15", b"content-length": b"200000", b"cache-status": b"Fanin; hit"})


@pytest.mark.parametrize(("method", "status", "body"), [("GET", 404, b"0123456789"), ("HEAD", 200, b""), ("GET", 204, b"")])
def test_conditions_are_for_what_is_good(method: str, status: int, body: bytes) -> None:
    """A HEAD has the length of what it is the head of; a failure is no part and not unmodified."""
    asked = (("range", "bytes=0-1"), *([("if-none-match", "*")] if status != 200 else []))

    played = play(kept(status=status, body=b"" if status == 204 else b"0123456789"), method, asked, AT, Member())

    assert (played.status, bytes(played.body)) == (status, body)
    assert ((b"content-length", b"10") in played.headers) == (status != 204)


def test_caches_nearer_to_the_origin_come_first() -> None:
    """On one line (RFC 9211, section 2)."""
    played = play(kept(("cache-status", "far; hit"), ("cache-status", "near; fwd=miss")), "GET", (), AT, Member(hit=True))

    lines = [value for name, value in played.headers if name == b"cache-status"]
    assert lines == [b"far; hit, near; fwd=miss, Fanin; hit"]


@given(st.lists(st.tuples(st.sampled_from([b"a", b"etag"]), st.binary(max_size=8).map(lambda value: b"x%bx" % value))))
def test_header_fields_come_out_as_they_went_in(headers: list[tuple[bytes, bytes]]) -> None:
    """To the byte, whatever they mean."""
    played = play(kept(*as_text(headers)), "GET", (), AT, Member())

    assert played.headers[: len(headers)] == headers


def test_a_crowd_is_not_taped_a_thousand_times() -> None:
    """A few of the same are, and who comes when they are through may be again."""
    tapes = TapesState()
    rooms = [tapes.room("k", 100) for _ in range(AT_ONCE + 1)]

    sizes = [room.__enter__() for room in rooms]
    with tapes.room("other", 100) as another:
        pass
    for room in rooms:
        room.__exit__(None, None, None)
    with tapes.room("k", 100) as after:
        pass

    assert (sizes, another, after) == ([100] * AT_ONCE + [0], 100, 100)
