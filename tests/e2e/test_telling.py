"""Each fault of the demo, told by its trace alone: what failed, in which attempt and why, and why the answer is what it is.

Only spans are read, as `GET /api/traces/{id}` has them. A request takes as long as the showcase lets a fault last.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from gateway.journal.record import Record, Service
from gateway.journal.telling import tell_record

pytestmark = pytest.mark.slow

# A switch; what became of the attempt, on its span (status and error.type); and the reason that its step has.
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "status": ({"error_rate": 1}, "503 503", "status 503"),
    "html": ({"mode": "html"}, "200 gateway.errors.BadReply", "status 200, and the body is not JSON"),
    "garbage": ({"mode": "garbage"}, "- gateway.errors.BadReply", "not HTTP"),
    "reset": ({"mode": "reset"}, "- gateway.errors.Disconnected", "the connection broke"),
    "hang": ({"mode": "hang"}, "- gateway.errors.AttemptTimeout", "no reply within {}"),
    "trickle": ({"mode": "trickle"}, "- gateway.errors.AttemptTimeout", "no reply within {}"),
    "latency": ({"latency_ms": 5000}, "- gateway.errors.AttemptTimeout", "no reply within {}"),
}
GOOD = {"user": ("ok", "200 -"), "orders": ("ok", "200 -"), "recommendations": ("ok", "200 -"), "products": ("ok", "200 -")}
REASON = "gateway.step.reason"


class Told:
    """What there is to be read in the spans of a request."""

    def __init__(self, spans: list[dict[str, Any]]) -> None:
        self.spans = spans
        self.request = spans[0]["attributes"]
        self.of_steps = {span["step"]: span for span in spans if span["role"] == "step"}
        self.is_complete = next(
            (span["attributes"]["gateway.answer.complete"] for span in spans if span["role"] == "shape"), None
        )

    def steps(self) -> dict[str, tuple[str, ...]]:
        """How each step ended, and what became of each of its attempts."""
        return {name: (_outcome(span), *map(_fate, self.attempts(name))) for name, span in self.of_steps.items()}

    def attempts(self, step: str) -> list[dict[str, Any]]:
        """Those of a step, in their order; each names which retry it is."""
        found = [span for span in self.spans if span["role"] == "attempt" and span["parent"] == self.of_steps[step]["id"]]
        asked: Counter[str] = Counter()
        for own in (span["attributes"] for span in found):
            assert own.get("http.request.resend_count", 0) == asked[own["gateway.upstream.name"]]
            asked[own["gateway.upstream.name"]] += 1
        return found

    def failed(self) -> set[str]:
        """The spans that are errors themselves."""
        return {span["role"] if span["role"] != "step" else span["name"] for span in self.spans if span["error"]}


def _outcome(span: dict[str, Any]) -> str:
    return str(span["attributes"].get("gateway.step.outcome", "cancelled"))


def _fate(span: dict[str, Any]) -> str:
    own = span["attributes"]
    return f"{own.get('http.response.status_code', '-')} {own.get('error.type', '-')}"


async def told(served: Any) -> Told:
    """The spans of the request that has just been answered."""
    async with asyncio.timeout(10):
        trace = await served.traces.get()
    return Told(tell_record(Record(trace, {}, Service("1", "", 1)))["spans"])


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_the_answer_did_without_is_told(served: Any, services: Any, fault: str) -> None:
    """Two optional steps fail, one after a retry: each with its reason, both replaced; no error reaches the request's own span."""
    switch, fate, reason = FAULTS[fault]
    for name in ("recommendations", "catalog"):
        await services[name].chaos(**switch)

    answer = await served.home()

    found = await told(served)
    assert (answer.status_code, found.request["http.response.status_code"], found.is_complete) == (200, 200, False)
    assert found.steps() == {**GOOD, "recommendations": ("fallback", fate), "products": ("fallback", fate, fate)}
    assert found.of_steps["recommendations"]["attributes"][REASON] == reason.format("1s")
    assert found.of_steps["products"]["attributes"][REASON] == reason.format("500ms")
    assert found.of_steps["products"]["attributes"]["gateway.retry.delay"] > 0
    assert found.failed() == {"attempt"}


@pytest.mark.parametrize("fault", FAULTS)
async def test_why_there_is_no_answer_is_told(served: Any, services: Any, fault: str) -> None:
    """A required step fails after all its attempts: it is an error, and so is the request. Nothing else that ended badly is."""
    switch, fate, reason = FAULTS[fault]
    error = fate.split()[1]
    await services["users"].chaos(**switch)

    answer = await served.home()

    found = await told(served)
    status = 504 if "Timeout" in fate else 502
    assert (answer.status_code, found.request["http.response.status_code"], found.request["error.type"]) == (
        *(status, status),
        str(status),
    )
    assert found.steps()["user"] == ("failed", fate, fate, fate)
    assert found.of_steps["user"]["attributes"][REASON] == reason.format("500ms")
    assert found.of_steps["user"]["attributes"]["error.type"] == (error if "." in error else "gateway.errors.StatusRefused")
    assert found.failed() == {"server", "step user", "attempt"}
    assert found.is_complete is None


async def test_who_stood_in_for_whom_is_told(served: Any, services: Any) -> None:
    """Two attempts failed, and the replica's did not: the answer lacks nothing, and the step says whose value it has."""
    await services["orders"].chaos(error_rate=1, times=2)

    await served.home()

    found = await told(served)
    assert found.steps() == {**GOOD, "orders": ("ok", "503 503", "503 503", "200 -")}
    assert [one["attributes"]["gateway.upstream.name"] for one in found.attempts("orders")] == [
        "orders",
        "orders",
        "orders_replica",
    ]
    assert found.of_steps["orders"]["attributes"]["gateway.step.instead"] == "orders.fallback"
    assert found.is_complete is True


async def test_what_was_left_out_and_what_came_from_the_cache_is_told(served: Any, services: Any) -> None:
    """Where the replica fails too there are no orders, so that no products are asked for; with orders, the second time they are kept."""
    await served.home()
    await told(served)
    await served.home()
    kept = await told(served)
    await services["orders"].chaos(error_rate=1)
    await served.home()

    found = await told(served)

    assert kept.steps()["products"] == ("ok",)
    assert kept.of_steps["products"]["attributes"]["gateway.cache.status"] == "hit"
    assert found.steps()["orders"] == ("fallback", "503 503", "503 503", "503 503")
    assert found.steps()["products"] == ("skipped",)
    assert found.of_steps["products"]["attributes"][REASON] == "not orders"
