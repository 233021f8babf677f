"""What is asked of the peers: a path, what the upstreams have for it, and the one right answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.data import FIRST_ID, value
from bench.upstream import ORIGINS

NAMES = ("user", "orders", "recommendations", *(f"part{number}" for number in range(4, 21)))
"""The parts of an aggregate, in order: three that a shop would have, then as many as it takes."""


@dataclass(frozen=True)
class Part:
    """One call of an aggregate: `GET {origin}{prefix}{id}`, and its name in the answer."""

    name: str
    origin: int
    """Which of the upstreams' ports."""

    prefix: str


@dataclass(frozen=True)
class Workload:
    """A kind of request. Its path is `/{name}/{id}`, with `ids` different ids, one after the other."""

    name: str
    about: str
    answer: Callable[[int], Any]
    """Id → what the answer must be, as decoded JSON."""

    parts: tuple[Part, ...] = ()
    """The calls, where they are all there is to it: every peer can be told to aggregate these."""

    ids: int = 1000
    connections: tuple[int, ...] = (32,)
    share: float = 1.0
    """Of the usual number of requests: less for what takes longer."""

    @property
    def path(self) -> str:
        """What comes before the id."""
        return f"/{self.name}/"

    def numbers(self) -> range:
        """The ids that are asked for."""
        return range(FIRST_ID, FIRST_ID + self.ids)


def aggregate(name: str, about: str, parts: int, prefix: str = "/", **more: Any) -> Workload:
    """So many calls at once, merged under their names."""
    calls = tuple(Part(part, place % ORIGINS, f"{prefix}{part}/") for place, part in enumerate(NAMES[:parts]))
    return Workload(name, about, lambda number: {part.name: value(f"{part.prefix}{number}") for part in calls}, calls, **more)


def reshaped(number: int) -> Any:
    """The twelve fields of `config/reshape.yaml`."""
    user, orders, recommendations = (value(f"/{kind}/{number}") for kind in NAMES[:3])
    return {
        "id": user["id"],
        "name": user["name"],
        "email": user["email"],
        "segment": user["segment"],
        "city": user["address"]["city"],
        "country": user["address"]["country"],
        "personalised": user["consents"]["personalised"],
        "balance": user["balance"],
        "orders": [{"sku": item["sku"], "quantity": item["quantity"]} for item in orders["items"]],
        "latest": orders["items"][0]["sku"],
        "recommendations": [item["sku"] for item in recommendations["items"]],
        "available": [item["sku"] for item in recommendations["items"] if item["in_stock"]],
    }


def chained(number: int) -> Any:
    """A user, and what is recommended to their segment."""
    user = value(f"/user/{number}")
    return {"user": user, "recommendations": value(f"/for/{user['segment']}")}


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        aggregate("aggregate-3", "three calls of 1 KiB each, merged", 3, connections=(32, 1)),
        aggregate("aggregate-1", "one call", 1),
        aggregate("aggregate-10", "ten calls", 10, share=0.5),
        aggregate("aggregate-20", "twenty calls", 20, share=0.25),
        aggregate("large", "three calls of 100 KiB each", 3, "/large/", ids=16, share=0.25),
        aggregate("cached", "three calls whose replies are kept; bare: the same bytes from uvicorn alone", 3, ids=1),
        aggregate("kept", "three calls whose answer is kept whole; bare: the same bytes from uvicorn alone", 3, ids=1),
        Workload("reshape", "three calls, twelve fields of them in the answer", reshaped),
        Workload("chain", "two calls, one after the other: the second needs a value of the first", chained),
    )
}
"""By name, in the order they are measured."""
