"""Required tests that do not pass, and why they cannot."""

from __future__ import annotations

from collections.abc import Mapping

_AGE = "an `Age` that is no number is to be ignored, and of several the first one counts (RFC 9111, section 5.1); corrected in the suite since"
_STALE = "who cannot reach the origin has none of its headers to answer with; corrected in the suite since"

KNOWN: Mapping[str, str] = {
    "interim-not-cached": "uvicorn sends no 1xx of an app's (ASGI has an extension for 103 alone), so that interim replies end here; the final one is kept",
}
"""By the test's id."""

OUTDATED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "age-parse-nonnumeric", "age-parse-negative", "age-parse-float", "age-parse-prefix-twoline", "age-parse-dup-0",
            "age-parse-dup-0-twoline", "age-parse-dup-old", "age-parse-parameter", "age-parse-numeric-parameter",
        ),
        _AGE,
    ),
    **dict.fromkeys(
        ("stale-close-must-revalidate", "stale-close-proxy-revalidate", "stale-close-no-cache", "stale-close-s-maxage=2"), _STALE
    ),
}  # fmt: skip
"""Those that the suite requires only as it was last published, by id."""


def excuses(*, is_source: bool) -> Mapping[str, str]:
    """Why tests of the suite, as it is written now or as it was published, cannot pass."""
    return KNOWN if is_source else {**KNOWN, **OUTDATED}
