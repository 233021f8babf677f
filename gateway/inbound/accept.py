"""What a client wants to get, by its `Accept` (RFC 9110, section 12.5.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MOST = 50
"""Media ranges that are looked at; no honest client has more."""

_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Which of these media types the client wants most: of equal weight one that it names in full, then the first.

    A client that wants none of them gets the first as well: that is more use to it than a 406.
    """
    weights = dict(_weights(accept.lower()))

    def wanted(media_type: str) -> tuple[float, bool]:
        kind = media_type.partition("/")[0]
        weight = next((weights[one] for one in (media_type, f"{kind}/*", "*/*") if one in weights), 0.0)
        return weight, media_type in weights

    best = max(offered, key=wanted)
    return best if wanted(best)[0] > 0 else offered[0]


def _weights(accept: str) -> Iterator[tuple[str, float]]:
    for one in accept.split(",", MOST)[:MOST]:
        media_range, *parameters = (part.strip() for part in one.split(";"))
        weight = next((match[1] for part in parameters if (match := _WEIGHT.fullmatch(part))), "1")
        yield media_range, float(weight)
