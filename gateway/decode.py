"""Bytes → values, strictly: what is not JSON by the letter is not JSON here."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


class Undecodable(ValueError):
    """The bytes are not what they should be; the message does not quote them."""


def decode_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Integers keep all their digits. Raises `Undecodable`.

    NaN, Infinity, numbers that overflow, lone surrogates and nesting beyond the parser's bound are refused: none of them could be put
    into an answer again.
    """
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Undecodable("not JSON") from error
