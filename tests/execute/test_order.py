"""Neither the order steps are written in nor the order replies arrive in changes what a run comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Failed, Reply, Skipped
from gateway.execute import Ran

pytestmark = pytest.mark.looptime


@dataclass(frozen=True)
class Node:
    """A step of a plan that hypothesis makes."""

    number: int
    names: tuple[int, ...]
    """Earlier steps whose values it sends."""

    waits: tuple[int, ...]
    """Earlier steps that it waits for without using them."""

    status: int
    optional: bool
    fallback: bool

    @property
    def spec(self) -> dict[str, Any]:
        """The step as it would be written."""
        query = {f"s{other}": f"{{s{other}}}" for other in self.names}
        spec = {"get": f"shop /s{self.number}", "query": query, "on_status": {"404": "skip", "410": f"gone {self.number}"}}
        spec |= {"needs": [f"s{other}" for other in self.waits], "optional": self.optional}
        return spec | ({"fallback": f"instead of {self.number}"} if self.fallback else {})


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    """A small plan without cycles: each step needs only earlier ones."""
    made: list[Node] = []
    for number in range(draw(st.integers(1, 6))):
        use = [draw(st.sampled_from(["nothing", "name", "wait"])) for _ in range(number)]
        names, waits = (tuple(other for other in range(number) if use[other] == kind) for kind in ("name", "wait"))
        status = draw(st.sampled_from([200, 200, 404, 410, 500]))
        # Most steps are optional, or few plans would run to their end.
        optional, fallback = draw(st.sampled_from([True] * 9 + [False])), draw(st.sampled_from([False, False, True]))
        made.append(Node(number, names, waits, status, optional, fallback))
    return made


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[Node], list[Node], list[float]]:
    """A plan, its steps in another order, and how long each step's reply takes."""
    plan = draw(nodes())
    return plan, draw(st.permutations(plan)), draw(st.permutations([number / 10 for number in range(len(plan))]))


async def ran(home: Any, written: list[Node], delays: list[float]) -> Ran:
    """Run the plan as written, each upstream answering what it was asked after its delay."""
    page = home("\n".join(f"s{node.number}: {json.dumps(node.spec)}" for node in written))
    for node in written:
        upstream = page[f"s{node.number}"]
        answer = lambda call, node=node, reply=upstream.reply: reply(call.target, status=node.status)  # noqa: E731
        upstream.always(upstream.after(delays[node.number], answer))
    return await page.run(within=10)


def told(outcome: Any) -> Any:
    """An outcome as something to compare. Of several needs that came to nothing the first one written is named: that may differ."""
    if isinstance(outcome, Reply):
        return outcome.status, outcome.value
    return type(outcome.error) if isinstance(outcome, Failed) else Skipped


@settings(deadline=None, max_examples=150)
@given(plans=shuffled())
async def test_order_is_of_no_account(home: Any, plans: tuple[list[Node], list[Node], list[float]]) -> None:
    """Any order of the steps and any order of the replies give the same outcomes and the same values."""
    plan, other, delays = plans

    one = await ran(home, plan, [0.0] * len(plan))
    two = await ran(home, other, delays)

    assert (one.broken is None) == (two.broken is None)
    if one.broken is None:
        names = {f"s{node.number}" for node in plan}
        assert {name: one.scope[name] for name in names} == {name: two.scope[name] for name in names}
        assert {name: told(one.outcomes[name]) for name in names} == {name: told(two.outcomes[name]) for name in names}
        assert one.scope["steps"] == two.scope["steps"]
