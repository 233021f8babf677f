"""Values → JSON: bytes, or `Unencodable`, and never anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.expressions.reference import Fields
from gateway.formats.decode import JsonText
from gateway.formats.encode import Unencodable, encode_json

text = st.text(st.characters(), max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [None, True, "é\x00"]}, '{"b":1,"a":[null,true,"é\\u0000"]}'),
        ([10**30, -(2**63) - 1, 1.0, 1e300], f"[{10**30},{-(2**63) - 1},1.0,1e300]"),
        ([float("nan"), float("inf"), -float("inf")], "[null,null,null]"),
        (Fields([("X-A", "1")]), '{"x-a":"1"}'),
        ({"a": JsonText(b'{"b": 1.00}')}, '{"a":{"b": 1.00}}'),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_value_has_its_text(value: Any, expected: str) -> None:
    """No blanks, digits as they are, in the order of the members; a text among the values as it came."""
    assert encode_json(value).decode() == expected


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udc00": 1}, ["a", {"b": "\udfff"}], 10**5_000, [object()]],
    ids=["text", "key", "deep", "long", "object"],
)
def test_what_json_has_no_form_for_is_unencodable(value: Any) -> None:
    """And the message does not quote it."""
    with pytest.raises(Unencodable, match=r"^a value that JSON has no form for$"):
        encode_json(value)


def test_what_is_inside_itself_is_unencodable() -> None:
    """It is not a crash."""
    value: list[Any] = []
    value.append(value)

    with pytest.raises(Unencodable):
        encode_json(value)


@settings(deadline=None)
@given(json_values)
def test_every_value_comes_back(value: Any) -> None:
    """Another program reads what was written, unless there is half a surrogate pair in it."""
    try:
        text = encode_json(value)
    except Unencodable:
        assert any("\ud800" <= char <= "\udfff" for char in json.dumps(value, ensure_ascii=False))
    else:
        assert json.loads(text) == value
