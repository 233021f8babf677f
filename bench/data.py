"""What the upstreams say, derived from the target alone: the same id always gives the same bytes, and as many of them.

A record is what a service of a shop might give: text with letters beyond ASCII, numbers, a nested object, a list of objects. Every record
of a size has exactly that many bytes, so that the length of a right answer is known before it is asked for.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

FIRST_ID = 100_000
"""Ids have six digits, all of them: their length never changes an answer's."""

SEGMENTS = ("bronze", "silver", "golden")
KIB = 1024


def record(kind: str, number: int, size: int = KIB) -> dict[str, Any]:
    """What the service of this kind has under this id, in `size` bytes as `encode` writes it."""
    value: dict[str, Any] = {
        "id": number,
        "kind": kind,
        "name": "Zoë Müller-Ångström",
        "email": f"zoe.{number}@example.com",
        "segment": SEGMENTS[number % len(SEGMENTS)],
        "consents": {"personalised": True, "newsletter": False},
        "address": {"street": "Königstraße 12", "city": "Tübingen", "postcode": "72070", "country": "DE"},
        "balance": 1234.5,
        "rating": None,
        "items": [],
        "note": "",
    }
    items: list[dict[str, Any]] = []
    room = size - len(encode(value))
    while True:
        item = _item(number, len(items))
        room -= len(encode(item)) + 1
        if room < 0:
            break
        items.append(item)
    value["items"] = items
    value["note"] = "." * (size - len(encode(value)))
    return value


def encode(value: Any) -> bytes:
    """JSON as most services write it: compact, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=65_536)
def body(target: str) -> bytes | None:
    """The reply to a GET, None where there is nothing: `/user/100042`, `/large/user/100042`, `/for/silver`."""
    match target.strip("/").split("/"):
        case ["for", segment] if segment in SEGMENTS:
            return encode(record("recommendations", _first_of(segment)))
        case ["large", kind, number] if number.isdigit():
            return encode(record(kind, int(number), 100 * KIB))
        case [kind, number] if number.isdigit():
            return encode(record(kind, int(number)))
        case _:
            return None


def value(target: str) -> Any:
    """The same reply, decoded."""
    found = body(target)
    if found is None:
        raise KeyError(target)
    return json.loads(found)


def _first_of(segment: str) -> int:
    """The lowest id in a segment, as `record` shares them out."""
    return FIRST_ID + (SEGMENTS.index(segment) - FIRST_ID) % len(SEGMENTS)


def _item(number: int, place: int) -> dict[str, Any]:
    return {
        "sku": f"sku-{(number * 7 + place * 13) % 10_000:04d}",
        "quantity": place % 9 + 1,
        "price": 12.25,
        "in_stock": place % 3 > 0,
    }
