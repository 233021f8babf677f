"""Bytes → values, strictly: what is not JSON by the letter is not JSON here, and text is text in the charset that it says."""

from __future__ import annotations

import re
from base64 import b64encode
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

Kind = TypeVar("Kind")

JsonText = msgspec.Raw
"""A JSON text that has been checked: a view of the bytes it came in. In a value that is written, it is written as it came."""

_TEXT = msgspec.json.Decoder(JsonText)
_VALUE = msgspec.json.Decoder()
_NULL = JsonText(b"null")

_CHARSETS = frozenset(
    ["utf-8", "utf8", "us-ascii", "ascii", "latin1", "utf-16", "utf-16le", "utf-16be", "koi8-r", "koi8-u"]
    + ["shift_jis", "euc-jp", "iso-2022-jp", "gb2312", "gbk", "gb18030", "big5", "euc-kr"]
    + [f"iso-8859-{part}" for part in range(1, 17) if part != 12]
    + [f"windows-125{part}" for part in range(9)]
)
"""Those that are in use. Python knows others that are no charsets, or take a second for a mebibyte (`punycode`)."""

_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
"""A line that is not blank, from where it is not."""

_MARKS = ((BOM_UTF8, "utf-8-sig"), (BOM_UTF16_LE, "utf-16"), (BOM_UTF16_BE, "utf-16"))
"""Byte order marks, which say more than whoever passed the text on (RFC 7303, section 3.3)."""


class Undecodable(ValueError):
    """The bytes are not what they should be; the message does not quote them."""


def decode_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Integers keep all their digits, up to 4,300. Raises `Undecodable`.

    NaN, Infinity, numbers that overflow, lone surrogates and nesting beyond the interpreter's stack are refused: none of them could be
    put into an answer again. Of a key that stands twice the last one wins, as in every parser that an upstream has been tested with.
    """
    try:
        return _VALUE.decode(body)
    except msgspec.ValidationError as error:
        raise Undecodable("a number in it is out of all bounds") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable("not JSON") from error


def check_json(body: bytes) -> JsonText:
    """The same text, when it is JSON in UTF-8: 1 µs for a kilobyte, where decoding and encoding take 5. Raises `Undecodable`.

    As strict as decoding but for what a text need not fit into: a number has whatever size and digits it came with.
    """
    try:
        body.decode()  # the parser skips what is between quotes, but for its escapes
        return _TEXT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable("not JSON") from error


def decoder_of(kind: type[Kind]) -> Callable[[bytes], Kind]:
    """Decodes JSON texts that are of this type to the letter. What it gives raises `Undecodable`."""
    decode = msgspec.json.Decoder(kind).decode

    def decode_one(body: bytes) -> Kind:
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Undecodable("not JSON of this kind") from error

    return decode_one


def decode_lines(body: bytes) -> list[Any]:
    """The values of JSON texts, one a line; blank lines are none. Raises `Undecodable`."""
    return [decode_json(line) for line in _LINE.findall(body)]


def decode_base64(body: bytes) -> str:
    """Any bytes, as text in base64 (RFC 4648, section 4)."""
    return b64encode(body).decode()


def decode_text(body: bytes, charset: str | None) -> str:
    """Text in a charset, UTF-8 where none is named; a byte order mark has the last word. Raises `Undecodable`."""
    charset = (charset or "utf-8").lower()
    for mark, named in _MARKS:
        if body.startswith(mark):
            charset = named
            break
    else:
        if charset not in _CHARSETS:
            raise Undecodable("text in a charset that nobody uses")
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise Undecodable("not text in its charset") from error


def is_null(value: Any) -> bool:
    """The value is null, or the text of it."""
    return value is None or bool(value == _NULL)
