"""The filter on spans: what is free text in them is looked at once, when the request is over, for all who read the record."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway import telemetry
from gateway.redaction import Redaction, is_secret_name
from gateway.telemetry import SpanType, Trace

_FREE = {
    "server": (telemetry.URL_PATH, telemetry.USER_AGENT),
    "client": (telemetry.URL_FULL,),
    "internal": (telemetry.STEP_REASON,),
}
"""By kind of span, the attributes that anybody may have put anything into."""

_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"[\w-]+")


def redact(trace: Trace, redaction: Redaction) -> None:
    """Leave nothing in a finished trace that is not to be seen."""
    for span in trace.spans:
        own = span.own
        for name in _FREE[span.type.kind]:
            if name in own:
                own[name] = redaction.text(str(own[name]))
        if (path := _instead(span.type)) is not None:
            _put(own, path)


def _put(own: dict[str, telemetry.Attribute], path: str) -> None:
    """A path as it was written, in the place of what it was."""
    if telemetry.URL_PATH in own:
        own[telemetry.URL_PATH] = path
    if telemetry.URL_FULL in own:
        scheme, _, rest = str(own[telemetry.URL_FULL]).partition("://")
        own[telemetry.URL_FULL] = f"{scheme}://{rest.partition('/')[0]}{path}"


@lru_cache(maxsize=4096)
def _instead(of: SpanType) -> str | None:
    """The path as written, where it has a value that goes by the name of a secret: `/reset/{token}`."""
    path = str(of.attributes.get(telemetry.HTTP_ROUTE) or of.attributes.get(telemetry.URL_TEMPLATE) or "")
    words = (word for inside in _IN_BRACES.findall(path) for word in _WORD.findall(inside))
    return path if any(map(is_secret_name, words)) else None
