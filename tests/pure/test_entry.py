"""Entries as bytes: whole, or nobody's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching.entry import Entry, unpack

KEPT = Entry(
    200,
    (("etag", '"7"'), ("etag", "")),
    b'{"a": "\xc3\x84"}\n',
    1_700_000_000.25,
    30.0,
    1.5,
    60.0,
    3600.0,
    ("upstream:users", "tag:a"),
)
PACKED = KEPT.pack("abc")


def test_what_is_packed_is_unpacked() -> None:
    """To the letter, bodies with line breaks too."""
    assert unpack("abc", PACKED) == KEPT


def _as_another_format(stored: bytes) -> bytes:
    head, _, body = stored.partition(b"\n")
    return json.dumps([99, *json.loads(head)[1:]]).encode() + b"\n" + body


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_as_another_format, id="another format"),
        pytest.param(lambda stored: stored[:-1], id="torn in its body"),
        pytest.param(lambda stored: stored + b"8", id="too long"),
        pytest.param(lambda stored: stored.partition(b"\n")[0], id="without its body"),
        pytest.param(lambda stored: stored[:20], id="torn in its head"),
        pytest.param(lambda stored: stored[20:], id="without its beginning"),
        pytest.param(lambda stored: b"\xff" + stored, id="not JSON"),
        pytest.param(lambda stored: b"[" * 100_000, id="nested"),
        pytest.param(lambda stored: b"{}", id="an object"),
        pytest.param(lambda stored: b"", id="empty"),
        pytest.param(lambda stored: stored.decode(), id="text"),
        pytest.param(lambda stored: None, id="nothing"),
    ],
)
def test_what_is_not_ours_is_nobodys(spoil: Callable[[bytes], object]) -> None:
    """Torn, foreign or outdated: never an error, and never a wrong reply."""
    assert unpack("abc", spoil(PACKED)) is None


def test_what_is_another_keys_is_nobodys() -> None:
    """A store that mixes up its values hands nobody what was kept for somebody else."""
    assert unpack("abd", PACKED) is None


@given(cut=st.integers(0, len(PACKED) - 1))
def test_no_torn_entry_is_one(cut: int) -> None:
    """Wherever it is torn."""
    assert unpack("abc", PACKED[:cut]) is None


def test_its_length_is_what_it_takes() -> None:
    """About as many bytes as it has, and more for what holds them."""
    assert len(KEPT.body) + 300 <= len(KEPT) <= len(KEPT.body) + 700


def test_an_entry_is_there_without_being_measured() -> None:
    """Whoever asks whether there is one goes through none of its headers."""

    class Unread(tuple[tuple[str, str], ...]):
        def __iter__(self) -> Never:
            raise AssertionError("they were gone through")

    assert Entry(200, Unread(), b"", 0.0, 0.0)
