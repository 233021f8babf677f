"""JSON by the letter: a value or its checked text, or `Undecodable`, and never anything else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.formats.decode import Undecodable, check_json, decode_json
from gateway.formats.encode import encode_json

OUT_OF_BOUNDS = "a number in it is out of all bounds"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b" [1,\t2,\r\n3] ", [1, 2, 3]),
        (b'{"b":1,"a":2}', {"b": 1, "a": 2}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"":{"__proto__":1}}', {"": {"__proto__": 1}}),
        ('"é\U0001f600"'.encode(), "é\U0001f600"),
        (b'"\\ud83d\\ude00\\u0000\\/"', "\U0001f600\x00/"),
        (b"1" * 4300, int("1" * 4300)),
        (b"-" + b"9" * 400, -int("9" * 400)),
        (b"1e308", 1e308),
        (b"-1.7976931348623157e+308", -1.7976931348623157e308),
        (b"9" * 299 + b"e9", float("9" * 299 + "e9")),
        (b"1e-400", 0.0),
        (b"0." + b"1" * 1_000, 1 / 9),
        (b'["e00", "1e400", 1E5]', ["e00", "1e400", 1e5]),
        (b"[" * 150 + b"]" * 150, json.loads("[" * 150 + "]" * 150)),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_json_has_its_value(body: bytes, value: Any) -> None:
    """Integers keep their digits, members their order; of a key that stands twice the last one wins."""
    decoded = decode_json(body)

    assert (decoded, type(decoded)) == (value, type(value))
    assert bytes(check_json(body)) == body.strip()
    if isinstance(value, dict):
        assert list(decoded) == list(value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"NaN",
        b"nan",
        b"Infinity",
        b"-Infinity",
        b'{"a":[1e400]}',
        b"-1E+400",
        b"1e0309",
        b"9" * 300 + b"e9",
        b"1" * 310 + b".5",
        b"1" * 4301,
        b"1" * 100_000,
        b"\xef\xbb\xbf1",
        "1".encode("utf-16"),
        "1".encode("utf-32"),
        b'"\xff"',
        b'"\xc0\xae"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800":1}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"1 2",
        b"1,",
        b"{} x",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b"{1:2}",
        b'{"a"}',
        b"01",
        b"-",
        b"+1",
        b"1.",
        b".5",
        b"1e",
        b"0x1",
        b'"\x01"',
        b'"a',
        b'"\\x"',
        b"\x00",
        b"\x0c1",
        b"\xa01",
        b"// c\n1",
        b"True",
        b"undefined",
        b"<html>",
    ],
    ids=lambda body: repr(body)[:30],
)
def test_what_is_no_json_is_undecodable(body: bytes) -> None:
    """What is not JSON by the letter, or could not be put into an answer again, is refused without a word of it."""
    with pytest.raises(Undecodable) as refusal:
        decode_json(body)

    assert str(refusal.value) in ("not JSON", OUT_OF_BOUNDS)
    if str(refusal.value) == "not JSON":
        with pytest.raises(Undecodable, match="not JSON"):
            check_json(body)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=20) | st.text(alphabet='{}[]",:0129eE+-.tfn \\u', max_size=20).map(str.encode))
def test_any_bytes_are_a_value_or_undecodable(body: bytes) -> None:
    """Nothing else ever comes out, and what is a value here is one for Python's own strict reading too."""
    try:
        value = decode_json(body)
    except Undecodable:
        return

    assert value == json.loads(body.decode())
    assert encode_json(value) == encode_json(decode_json(encode_json(value)))


@settings(deadline=None)
@given(json_values)
def test_every_json_value_is_decoded(value: Any) -> None:
    """Whatever another program writes as JSON is read as it was meant."""
    assert decode_json(json.dumps(value).encode()) == value
    assert decode_json(json.dumps(value, ensure_ascii=False).encode()) == value


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 400), st.booleans(), st.sampled_from(["e", "E", "e+", "E+", "e0", "e+00"]))
def test_no_number_becomes_infinity(digits: int, exponent: int, fraction: bool, mark: str) -> None:
    """However a number that is too large is written, it is refused; one that is not is kept."""
    number = f"9{'9' * digits}{'.5' if fraction else ''}{mark}{exponent}"

    if math.isinf(float(number)):
        with pytest.raises(Undecodable):
            decode_json(f'{{"a":[{number}]}}'.encode())
    else:
        assert decode_json(f'{{"a":[{number}]}}'.encode()) == {"a": [float(number)]}


mutations = st.tuples(
    st.integers(0, 60), st.integers(0, 3), st.binary(max_size=2) | st.sampled_from([b"1e400", b"\\ud800", b"\\u"])
)
"""Where to cut, how much to leave out, and what to put there."""


def _mutated(body: bytes, where: int, without: int, put: bytes) -> bytes:
    where %= len(body) + 1
    return body[:where] + put + body[where + without :]


@settings(deadline=None, max_examples=1_000)
@given(json_values.map(lambda value: json.dumps(value, ensure_ascii=False).encode()), mutations)
def test_a_text_is_checked_as_strictly_as_it_is_decoded(body: bytes, mutation: tuple[int, int, bytes]) -> None:
    """But for the size of numbers, which a text need not fit into anything: the text is kept where there is a value, and only there."""
    body = _mutated(body, *mutation)
    try:
        value, refusal = decode_json(body), ""
    except Undecodable as error:
        value, refusal = None, str(error)

    try:
        kept = bytes(check_json(body))
    except Undecodable:
        assert refusal
    else:
        assert kept == body.strip()
        assert refusal == OUT_OF_BOUNDS or decode_json(kept) == value


@pytest.mark.parametrize("body", [b"1e400", b"-1E+400", b"1" * 310 + b".5", b'{"a":[' + b"1" * 4301 + b"]}"], ids=repr)
def test_a_checked_text_keeps_numbers_of_any_size(body: bytes) -> None:
    """They are JSON by the letter; it is only that no value here could hold them."""
    assert bytes(check_json(body)) == body


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b"[ 1.0,\t1E0 ]", b'"\\u00e9\\/"', "é".encode().join([b'"', b'"'])], ids=repr)
def test_a_checked_text_stays_as_it_came(body: bytes) -> None:
    """Members that stand twice, blanks, numbers and escapes are not written anew."""
    assert encode_json({"a": check_json(b" " + body + b"\n")}) == b'{"a":' + body + b"}"
