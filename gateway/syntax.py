"""What HTTP lets stand where. The config's own text is checked against it when it is read, values when they are rendered."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What no path, query or URL has as it is."""

NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What a header's value cannot have: control characters but the tab (RFC 9110, section 5.5)."""

BODILESS = frozenset({204, 304})
"""Statuses that have no body, whatever their head says (RFC 9110, section 6.4.1)."""

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods that have a body, if only an empty one, and say how long it is (RFC 9110, section 8.6)."""

PORTS = {"http": 80, "https": 443}
"""Where a scheme's services are when a URL does not say."""

_DOT = re.compile("%2e", re.IGNORECASE)


def has_dot_segment(path: str) -> bool:
    """A segment is `.` or `..`, also when its dots are percent-encoded, which changes nothing to who decodes them first."""
    return not {".", ".."}.isdisjoint(_DOT.sub(".", path).split("/"))


def seconds_asked(text: str, now: float) -> float | None:
    """`Retry-After` in seconds, None when it is neither a number nor a date (RFC 9110, section 10.2.3); `now` is wall time."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # HTTP's dates are UTC, also in the one of their three forms that does not say so.
    return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)
