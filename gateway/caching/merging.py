"""How long an answer is good that is made of several replies: as long as the strictest of them says, and not at all when one says nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.caching.directives import Directives, parse, seconds
from gateway.call import Headers

_REVALIDATE = frozenset({"must-revalidate", "proxy-revalidate"})


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of one of the replies."""

    headers: Headers
    age: float = 0.0
    """Seconds."""

    left: float | None = None
    """Seconds for which it is still fresh, here; None: nobody knows."""

    is_private: bool = False
    """It was asked for with somebody's credentials."""


_ROUNDING = 0.001
"""Seconds: what is lost and won where an age and what is left beside it make 60 together is no reason to say 59."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What the answer says of itself."""

    cache_control: str | None
    """None: nothing can be said."""

    age: float
    """Seconds that the oldest part is old; `Age` says the whole ones of them."""

    left: float | None
    """Seconds for which all parts are still fresh; None: nobody knows."""


def merge(parts: Iterable[Part]) -> Merged:
    """What holds for the whole (RFC 9111, section 5.2.2): `no-store` and `private` of one are of all, and the shortest time that is left
    counts. What an answer of no part is good for nobody knows.
    """
    every = [(part, parse(part.headers)) for part in parts]
    age = max((part.age for part, _ in every), default=0.0)
    if any("no-store" in said for _, said in every):
        return Merged("no-store", age, 0.0)
    lefts = [part.left for part, _ in every]
    left = None if not lefts or None in lefts else max(0.0, min(left for left in lefts if left is not None))
    words = [*_limits(every), *_times(every, age, left)]
    return Merged(", ".join(words) or None, age, left)


def _limits(every: list[tuple[Part, Directives]]) -> Iterable[str]:
    if any(part.is_private or "private" in said for part, said in every):
        yield "private"
    if any("no-cache" in said for _, said in every):
        yield "no-cache"
    if any(_REVALIDATE & said.keys() for _, said in every):
        yield "must-revalidate"


def _times(every: list[tuple[Part, Directives]], age: float, left: float | None) -> Iterable[str]:
    """`max-age` counts from the making, as the `Age` beside it does. What a reply allows browsers may be less than what it allows us."""
    if left is None:
        return
    browsers = min(_left_to_browsers(part, said, left) for part, said in every)
    yield f"max-age={int(age + min(browsers, left) + _ROUNDING)}"


def _left_to_browsers(part: Part, said: Directives, left: float) -> float:
    return max(0.0, (seconds(said["max-age"]) or 0) - part.age) if "max-age" in said else left
