"""HTTP's dates, in the three forms that they have, and no other (RFC 9110, section 5.6.7): what is kept too long is worse than what is not."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_MONTH = f"(?P<month>{'|'.join(_NAMES)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_SHORT = "(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_FORMS = [
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"{_SHORT}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"{_LONG}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"{_SHORT} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
]


def read_date(text: str, now: float) -> float | None:
    """Seconds since the epoch; None for what is no date. `now` says which century a year of two digits is in."""
    match = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        this_year = datetime.fromtimestamp(now, UTC).year
        # More than 50 years ahead is meant for the past.
        year += (this_year + 50 - year) // 100 * 100
    # A leap second is the last one of its minute here.
    second = min(int(match["second"]), 59)
    try:
        return datetime(
            year, _MONTHS[match["month"].lower()], int(match["day"]), int(match["hour"]), int(match["minute"]), second, tzinfo=UTC
        ).timestamp()
    except (ValueError, OverflowError):
        return None
