"""What may be shown of bodies, addresses and configs: all but what is a secret by its name. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias
from urllib.parse import unquote_plus

from gateway.formats.decode import Undecodable, decode_json
from gateway.redaction import HIDDEN, SECRET_WORDS, is_secret_name

Hide: TypeAlias = Callable[[str], str]

_JSON = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"\s*:)|(?P<open>[{\[])|(?P<close>[}\]])|(?P<value>"(?:[^"\\]|\\.)*"?|[^\s"{}\[\],:]+)|(?P<other>[\s,:]+)',
    re.DOTALL,
)
"""The parts of a JSON text, of which the last may be broken off."""

_ENTRY = re.compile(
    rf"""([\w-]*(?:{SECRET_WORDS})[\w-]*["']?\s*:)[ \t]*("[^"]*"|'[^']*'|[^\s,}}](?:[^,}}]*[^\s,}}])?)?""",
    re.IGNORECASE,
)
"""A key of YAML or of Python, and its value."""


def hide_in_body(kind: str, text: str, hide: Hide = str) -> str | None:
    """A body of this media type, or its beginning; None where there is no telling what in it is secret. `hide` takes secrets out of texts
    by what they are.
    """
    essence = kind.partition(";")[0].strip().lower()
    if essence == "application/x-www-form-urlencoded":
        return hide_in_form(text, hide)
    has_json = "json" in essence or (not essence and text.lstrip()[:1] in ("{", "["))
    return hide_in_json(text, hide) if has_json else None


def hide_in_json(text: str, hide: Hide = str) -> str:
    """A JSON text, or its beginning, with each secret value left out, whatever it is made of."""
    if "\\" not in text and not is_secret_name(text):
        return hide(text)  # most have nothing to look for, and are done three times sooner
    return hide("".join(_told(text, hide)))


def hide_in_target(target: str, hide: Hide = str) -> str:
    """A path with its query, without the values of secret parameters."""
    path, mark, query = target.partition("?")
    return hide(path) + mark + hide_in_form(query, hide)


def hide_in_form(text: str, hide: Hide = str) -> str:
    """`user=42&token=…`"""
    return "&".join(_pair(*pair.partition("="), hide) for pair in text.split("&"))


def hide_in_lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines of YAML or of Python, those of secret values left out."""
    within: int | None = None
    for line in lines:
        if within is not None and (not line.strip() or depth(line) > within):
            continue
        within = None
        told = _ENTRY.sub(rf"\1 {HIDDEN}", line)
        if told != line and not _ENTRY.sub("", line).strip("- \"'"):
            # Its value may go on below.
            within = depth(line)
        yield told


def depth(line: str) -> int:
    """How far in a line stands."""
    return len(line) - len(line.lstrip())


def _pair(name: str, mark: str, value: str, hide: Hide) -> str:
    plain = unquote_plus(value)
    return f"{name}={HIDDEN}" if value and (is_secret_name(name) or hide(plain) != plain) else f"{name}{mark}{value}"


def _told(text: str, hide: Hide) -> Iterator[str]:
    open_now, hidden_at, is_hidden = 0, -1, False
    for part in _JSON.finditer(text):
        kind, written = part.lastgroup, part[0]
        open_now += (kind == "open") - (kind == "close")
        if hidden_at >= 0:
            hidden_at = -1 if open_now == hidden_at else hidden_at
        elif is_hidden and kind in ("open", "value"):
            hidden_at = open_now - 1 if kind == "open" else -1
            is_hidden = False
            yield f'"{HIDDEN}"'
        else:
            is_hidden = _is_secret_key(written) if kind == "key" else is_hidden and kind == "other"
            yield f'"{HIDDEN}"' if kind == "value" and "\\" in written and _is_secret_text(written, hide) else written


def _is_secret_key(written: str) -> bool:
    key = written.rstrip(": \t\r\n")
    try:
        return is_secret_name(str(decode_json(key.encode())))
    except Undecodable:
        return True


def _is_secret_text(written: str, hide: Hide) -> bool:
    """A secret that had to be escaped is not to be found in the text around it."""
    try:
        plain = str(decode_json(written.encode()))
    except Undecodable:
        return False
    return hide(plain) != plain
