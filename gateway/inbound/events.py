"""An answer in parts, as bytes: server-sent events, or lines of JSON. Both say the same with the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.formats.encode import encode_json
from gateway.inbound.accept import preferred

LAST = "end"
"""Id of the event after which nothing comes."""

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
"""Only what came from an upstream has line breaks, and it is JSON: they stand between its tokens, where any blank will do."""


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write events."""

    content_type: bytes
    write: Callable[[str, str, Mapping[str, Any]], bytes]
    """Name, id and data of an event → its bytes. Raises `Unencodable`."""

    beat: bytes = b""
    """What says that somebody is still there, and nothing else; empty where there is no such thing."""


def _as_event(name: str, identity: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), identity.encode(), _line(data))


def _as_line(name: str, _: str, data: Mapping[str, Any]) -> bytes:
    return _line({"event": name, **data}) + b"\n"


def _line(data: Mapping[str, Any]) -> bytes:
    return encode_json(data).translate(_ONE_LINE)


EVENTS = Form(b"text/event-stream; charset=utf-8", _as_event, b":\n\n")
LINES = Form(b"application/jsonl", _as_line)

_WHOLE = "application/json"
PARTS = {
    "text/event-stream": "The same in parts: an event `part` for each member as soon as it is ready, at last `end` or `problem`.",
    "application/jsonl": "The same in parts: an object a line, `event` first, as soon as it is ready.",
}
"""The media types of answers in parts, and what each is."""

_FORMS = {_WHOLE: None, "text/event-stream": EVENTS, "application/jsonl": LINES}


def form_for(accept: Iterable[bytes]) -> Form | None:
    """The form in which a client with these lines of `Accept` wants its answer in parts; None: it wants it whole."""
    text = b",".join(accept).lower()
    # Nearly everybody wants it whole, which is seen at once (0.2 µs).
    if b"event-stream" not in text and b"jsonl" not in text:
        return None
    return _FORMS[preferred(text.decode("latin-1"), tuple(_FORMS))]


def is_over(last_ids: Sequence[bytes]) -> bool:
    """The client has had the last event. A browser's `EventSource` that nobody closes asks again and again until it gets a 204."""
    return [*last_ids] == [LAST.encode()]
