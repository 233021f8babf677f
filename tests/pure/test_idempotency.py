"""Idempotency keys: what is one, whose it is, which requests are the same, and what becomes of the second."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.idempotency import (
    KEY,
    LONGEST,
    BadKey,
    Carried,
    Kept,
    Key,
    fate_of,
    fingerprint_of,
    is_decided,
    place_of,
    read_key,
    unpack,
)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b"8e03978e-40d5", Key("8e03978e-40d5")),
        (b' "8e03978e-40d5" ', Key("8e03978e-40d5", quoted=True)),
        (rb'"a\"b\\c d"', Key('a"b\\c d', quoted=True)),
        (b"x" * LONGEST, Key("x" * LONGEST)),
    ],
    ids=repr,
)
def test_a_key_is_bare_or_quoted(line: bytes, key: Key) -> None:
    """The draft's string, or the bare text that most clients send; it goes on as it came."""
    assert read_key([line]) == key
    assert key.sent() == line.decode().strip()


@pytest.mark.parametrize(
    "lines",
    [[b""], [b'""'], [b"a b"], [b'"a'], [b'"a";p=1'], [b"a,b"], [b"\xc3\xa9"], [b'"\x01"'], [b"x" * (LONGEST + 1)], [b"a", b"a"]],
    ids=repr,
)
def test_anything_else_is_no_key(lines: list[bytes]) -> None:
    """One text of visible ASCII, not too long; the complaint does not quote it."""
    with pytest.raises(BadKey):
        read_key(lines)


def test_a_request_without_the_header_has_none() -> None:
    """That is no mistake of the key's."""
    assert read_key([]) is None


def test_each_client_has_keys_of_its_own() -> None:
    """The same key with other credentials is another one; quoted or bare it is the same."""
    places = {place_of(Key("a"), who) for who in ([], [b"Bearer 1"], [b"Bearer 2"], [b"Bearer 1", b"Bearer 2"])}

    assert len(places) == 4
    assert place_of(Key("a", quoted=True), []) == place_of(Key("a"), [])
    assert place_of(Key("b"), []) not in places


@pytest.mark.parametrize(
    ("part", "is_same"),
    [
        ({"method": "PUT"}, False),
        ({"path": "/b"}, False),
        ({"query": b"x=1"}, False),
        ({"body": b"1"}, False),
        ({"x-tenant": [b"b"]}, False),
        ({"user-agent": [b"b"], "x-request-id": [b"b"], "traceparent": [b"b"], "idempotency-key": [b"b"]}, True),
    ],
    ids=lambda part: str(part)[:30],
)
def test_a_repetition_is_the_same_request(part: dict[str, Any], is_same: bool) -> None:
    """In all that may change what it does; what names the attempt may differ."""
    first = {"method": "POST", "path": "/a", "query": b"", "body": b"", "x-tenant": [b"a"], "user-agent": [b"a"]}

    def fingerprint(parts: dict[str, Any]) -> str:
        request = [parts.pop(name) for name in ("method", "path", "query", "body")]
        return fingerprint_of(request, parts.items())

    assert (fingerprint({**first, **part}) == fingerprint({**first})) is is_same


@pytest.mark.parametrize(
    ("flying", "kept", "fate"),
    [
        (None, None, "run"),
        (None, "a", "replay"),
        (None, "b", "reused"),
        ("a", None, "busy"),
        ("b", None, "reused"),
        ("b", "a", "reused"),
    ],
)
def test_the_second_request_waits_its_turn(flying: str | None, kept: str | None, fate: str) -> None:
    """Replayed when the first has ended, refused while it has not, and always when it is another request."""
    assert fate_of("a", flying, Kept(kept, 200, [], b"") if kept else None) == fate


def test_what_is_decided_is_kept() -> None:
    """What may be otherwise a moment later leaves the key free."""
    kept = {status for status in range(200, 600) if is_decided(status)}

    assert kept == {*range(200, 300), 404, 410, 422}


@given(st.binary(max_size=30))
def test_an_outcome_comes_out_as_it_went_in(body: bytes) -> None:
    """Status, headers and body, to the byte."""
    kept = Kept("print", 201, [(b"set-cookie", "é".encode()), (b"set-cookie", b"b")], body)

    assert unpack(kept.pack()) == kept


@pytest.mark.parametrize(
    "stored", [None, b"", b"{}", b"[1]", b"[9]\n", Kept("p", 200, [], b"body").pack()[:-1], b'[1,"p",0,200,[[1,2]]]\n']
)
def test_what_is_no_outcome_is_none(stored: bytes | None) -> None:
    """Torn, of another format, or nothing at all."""
    assert unpack(stored) is None


@pytest.mark.parametrize(
    ("among", "scope", "sent"),
    [
        (["order"], {}, None),
        (["order"], {KEY: Key("k")}, "k"),
        (["order", "other"], {KEY: Key("k")}, "k:order"),
        (["order", "other"], {KEY: Key('k"', quoted=True)}, '"k\\":order"'),
    ],
)
def test_a_key_goes_on_to_each_write(among: list[str], scope: dict[str, Any], sent: str | None) -> None:
    """As it came to the only one; with its name behind it where an upstream gets several."""
    assert Carried("order", among)(scope) == sent


def test_the_calls_of_a_loop_have_keys_of_their_own() -> None:
    """And each the same one when the request is repeated."""
    carried = Carried("order", ["order"])

    keys = [carried({KEY: Key("k"), "item": item}) for item in ("a", "b", {"a": 1}, "a")]

    assert (len(set(keys)), keys[0]) == (3, keys[3])
    assert all(str(key).startswith("k:") for key in keys)
