"""What is to be purged, as it is asked for → the scope that entries have. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gateway.caching import LONGEST_TAG
from gateway.expressions.reference import did_you_mean
from gateway.inbound.request import Refused
from gateway.problem import of_status, of_unknown

KINDS = ("key", "endpoint", "upstream", "tag")
"""What an order may name."""

LONGEST_NAME = 4096
"""Characters of what is named, where nothing else bounds it."""


def scope_of(order: Any, upstreams: Collection[str], endpoints: Collection[str]) -> str:
    """The scope of `{"upstream": "users"}` and its like. Raises `Refused` for what is no order, and for a name that the config does not have:
    a purge that purges nothing should not look like one that was done.
    """
    if not isinstance(order, dict) or len(order) != 1 or (kind := next(iter(order))) not in KINDS:
        raise Refused(of_status(400, "Bad Request", f"send an object with one of {', '.join(KINDS)}"))
    name = order[kind]
    if not isinstance(name, str) or not name or len(name) > (LONGEST_TAG if kind == "tag" else LONGEST_NAME):
        raise Refused(of_status(400, "Bad Request", f"{kind} is a text, not empty and not too long"))
    if kind == "upstream" and name not in upstreams:
        raise Refused(of_unknown(f"unknown upstream{did_you_mean(name, upstreams)}"))
    if kind == "endpoint":
        name = _endpoint(name, endpoints)
    return f"{kind}:{name}"


def _endpoint(name: str, endpoints: Collection[str]) -> str:
    """`GET /v1/home/{user_id}`, as the config has its path; without a method it is a GET."""
    words = name.split()
    name = " ".join([words[0].upper(), *words[1:]] if len(words) > 1 else ["GET", *words])
    if name not in endpoints:
        raise Refused(of_unknown(f"unknown endpoint{did_you_mean(name, endpoints)}"))
    return name
