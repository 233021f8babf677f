"""What is kept of replies, for how long, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.policy.units import HeaderName, Lapse, Policy, Size, show_duration

_LONGEST_REFUSAL = 60.0
"""Seconds: what an upstream has not got now it may have in a minute."""

_MOST_TAGS = 16


def _is_short(seconds: float) -> float:
    if seconds > _LONGEST_REFUSAL:
        raise PydanticCustomError("duration", "should be at most 1m: what is not there now may be in a minute")
    return seconds


def _lower(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(dict.fromkeys(name.lower() for name in names))


Tag: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class CachePolicy(Policy):
    """Keep replies. Harm it can do: answers are as old as this allows; and where `key` or `vary_on` leave out what tells clients apart, one
    client gets what was meant for another.
    """

    ttl: Lapse | None = None
    """How long a reply is served without asking again, where the upstream says nothing of it. Without it only what the upstream says
    counts, and a reply of which it says nothing is not kept."""

    stale_while_revalidate: Lapse = Field(0.0, json_schema_extra={"default": "0s"})
    """For so long after that a reply is still served, at once, while a newer one is fetched that no request waits for. The upstream may
    allow more."""

    stale_if_error: Lapse = Field(0.0, json_schema_extra={"default": "0s"})
    """For so long after that a reply is served when the call for a newer one fails. The upstream may allow more."""

    negative_ttl: Annotated[Lapse, AfterValidator(_is_short)] = Field(0.0, json_schema_extra={"default": "0s"})
    """How long it is remembered that the upstream has nothing (404, 410 and the like, where the step does not accept them). At most 1m."""

    ignore_upstream: bool = False
    """`ttl` counts whatever the upstream's headers say of how long a reply is good. What is for one client only is not kept all the
    same."""

    key: str | None = Field(None, min_length=1)
    """A text with references that tells the calls of a step apart in place of all that they send. Where its value is absent, nothing is
    kept. Only of a step, or an endpoint."""

    vary_on: Annotated[tuple[HeaderName, ...] | None, AfterValidator(_lower)] = None
    """Headers that tell calls apart; the others that are sent do not, unless the upstream's `Vary` names them. All of them unless
    written."""

    tags: tuple[Tag, ...] = Field((), max_length=_MOST_TAGS)
    """Texts to purge by, with references where it is a step's. One whose value is absent is left out."""

    max_size: Size = Field(1024**2, json_schema_extra={"default": "1MiB"})
    """Larger bodies are not kept."""

    set_cookie: bool = False
    """Replies with `Set-Cookie` are kept too, and everybody gets the same cookie: only for an upstream that means it so."""

    coalesce: bool = True
    """Calls that would be sent at the same time are sent once."""

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """What is not as it would be unless written."""
        values = ((name, field.default, getattr(self, name)) for name, field in type(self).model_fields.items())
        return ((name, value) for name, default, value in values if value != default)

    def __str__(self) -> str:
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield f"cache {show_duration(self.ttl)}" if self.ttl is not None else "cache"
        if self.ignore_upstream:
            yield "by this alone"
        if self.key:
            yield f"by {self.key}"
        if self.vary_on is not None:
            yield f"vary on {' '.join(self.vary_on) or 'nothing'}"
        if self.stale_while_revalidate:
            yield f"stale {show_duration(self.stale_while_revalidate)}"
        if self.stale_if_error:
            yield f"on errors {show_duration(self.stale_if_error)}"
        if self.negative_ttl:
            yield f"refusals {show_duration(self.negative_ttl)}"
        if self.set_cookie:
            yield "cookies too"
