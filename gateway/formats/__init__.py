"""What a reply may be: how each format is asked for, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.formats.decode import check_json, decode_base64, decode_json, decode_lines, decode_text
from gateway.formats.xml import decode_xml

if TYPE_CHECKING:
    from gateway.call import Headers

_CHARSET = re.compile(r""";\s*charset\s*=\s*"?([A-Za-z0-9._-]{1,40})""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to read a reply."""

    name: str
    """As `decode` has it in the config."""

    accept: str = field(repr=False)
    """The `Accept` that asks for it."""

    decode: Callable[[bytes, Headers], Any] = field(repr=False)
    """The value of a body that came with these header fields. Raises `Undecodable`."""


def charset_of(headers: Headers) -> str | None:
    """The charset that a `Content-Type` names."""
    kind = next((value for name, value in headers if name == "content-type"), "")
    found = _CHARSET.search(kind)
    return found[1] if found else None


JSON = Format("json", "application/json", lambda body, _: decode_json(body))
SPLICED = Format("json", JSON.accept, lambda body, _: check_json(body))
"""Nobody looks into the value: the body is checked, not decoded, and goes into the answer as it came."""

FORMATS = {
    one.name: one
    for one in (
        JSON,
        Format("xml", "application/xml, text/xml", lambda body, headers: decode_xml(body, charset_of(headers))),
        Format("text", "text/*", lambda body, headers: decode_text(body, charset_of(headers))),
        Format("bytes", "*/*", lambda body, _: decode_base64(body)),
        Format("jsonl", "application/jsonl, application/x-ndjson", lambda body, _: decode_lines(body)),
    )
}
"""By name."""
