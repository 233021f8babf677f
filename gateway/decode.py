"""Bytes → values, strictly: what is not JSON by the letter is not JSON here."""

from __future__ import annotations

import math
from typing import Any

from pydantic_core import from_json

_ROUGHLY = bytes.maketrans(b"123456789E", b"000000000e")
"""Every digit as a 0, every E as an e: what is looked for in a text that has no other."""


class Undecodable(ValueError):
    """The bytes are not what they should be; the message does not quote them."""


def decode_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Integers keep all their digits, up to 4,300. Raises `Undecodable`.

    NaN, Infinity, numbers that overflow, lone surrogates and nesting beyond the parser's bound are refused: none of them could be put
    into an answer again. Of a key that stands twice the last one wins, as in every parser that an upstream has been tested with.
    """
    try:
        value = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Undecodable("not JSON") from error
    if _may_overflow(body) and _has_infinity(value):
        raise Undecodable("a number in it is out of all bounds")
    return value


def _may_overflow(body: bytes) -> bool:
    """The parser takes 1e400 for infinity. Looking for that in every value would take as long as parsing; this is a glance at the text."""
    rough = body.translate(_ROUGHLY, b"+")
    return b"0e00" in rough or b"0" * 300 in rough


def _has_infinity(value: Any) -> bool:
    if isinstance(value, float):
        return math.isinf(value)
    if isinstance(value, dict):
        return any(map(_has_infinity, value.values()))
    return isinstance(value, list) and any(map(_has_infinity, value))
