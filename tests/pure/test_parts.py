"""The parts of an answer: whatever ends when, together they are the whole answer, and each is told once."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer.selection import parse_selection
from gateway.call import Ended, Failed, Outcome, Reply, Skipped
from gateway.errors import Unreachable
from gateway.execute import Ran
from gateway.inbound.events import EVENTS, LINES
from gateway.inbound.parts import Parts
from gateway.inbound.response import answer
from gateway.plan import Plan
from gateway.plan.prune import prune
from gateway.telemetry import SpanType, Trace

Compiled = Callable[..., Plan]

STEPS = """
path: /home
steps:
  user: {get: users /me, optional: true}
  orders: {get: users /orders, optional: true}
  likes: {get: "users /likes", optional: true}
"""
RESPONSES = [
    "",
    "{likes: likes, user: user, about: {name: user.name, sum: 'sum(orders[].total)'}, both: [user, orders], page: query.page, one: 1}",
    "{best: {merge: [orders, likes], how: prefer}, page: query.page, all: '{user: user, orders: orders}', code: steps.user.status}",
    "orders[].id",
    "[user, {likes: likes}]",
    "query.page",
]

values = st.recursive(
    st.none() | st.integers() | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "total"]), inner, max_size=3),
    max_leaves=6,
)
outcomes = st.one_of(
    values.map(lambda value: Reply(200, value=value)), st.just(Failed(Unreachable("refused"))), st.just(Skipped("not that"))
)


def ran_so_far(ended: dict[str, Outcome]) -> Ran:
    """A run in which these steps have ended."""
    steps = {name: {"status": outcome.status, "headers": {}} for name, outcome in ended.items() if isinstance(outcome, Reply)}
    given = {"path": {}, "query": {"page": "3"}, "headers": {}, "body": None, "steps": steps}
    return Ran(ended, {**given, **{name: getattr(outcome, "value", None) for name, outcome in ended.items()}}, {})


def heard(events: bytes) -> list[dict[str, Any]]:
    """What a client reads of lines."""
    return [json.loads(line) for line in events.splitlines()]


@given(
    response=st.sampled_from(RESPONSES),
    wanted=st.sampled_from([None, "user", "user.name,likes", "about.name,page", "id"]),
    ends=st.permutations(["user", "orders", "likes"]),
    came=st.fixed_dictionaries(dict.fromkeys(["user", "orders", "likes"], outcomes)),
)
def test_the_parts_together_are_the_answer(
    compiled: Compiled, response: str, wanted: str | None, ends: list[str], came: dict[str, Outcome]
) -> None:
    """The same values with the same errors, in whatever order things end, and nothing is told twice."""
    plan = compiled(f"{STEPS}response: {response}" if response else STEPS)
    if wanted:
        try:
            plan = prune(plan, parse_selection(wanted))
        except ValueError:
            return
    parts, events, ended = Parts(plan, LINES), b"", dict[str, Outcome]()
    names = {step.name for step in plan.steps}

    for name in (name for name in ends if name in names):
        ended[name] = came[name]
        ran = ran_so_far(ended)
        for part in parts.ready(ran):
            events += parts.tell(part, part.fill(ran.scope, missing := {}), missing, ran)
    ran = ran_so_far(ended)
    for part in parts.left:
        events += parts.tell(part, part.fill(ran.scope, missing := {}), missing, ran)
    events += parts.tell_end(parts.lacking(ran, ()))

    *told, end = heard(events)
    whole = json.loads(answer(plan, ran, Trace(1, True, count(1).__next__).span(SpanType("GET /home"), None)).body)
    members = {one["name"]: one["value"] for one in told}
    assert len(members) == len(told)
    errors = whole.pop("errors", []) if isinstance(whole, dict) else end["errors"]
    assert members.get(None, members) == whole
    assert (end["errors"], end["complete"]) == (errors, not errors)


def test_a_part_tells_only_its_own_errors(compiled: Compiled) -> None:
    """Of the steps that it names, and of itself where it cannot be made."""
    plan = compiled(f"{STEPS}response: {{sum: 'sum(orders[].total)', user: user, likes: likes}}")
    failed = Failed(Unreachable("refused"))
    ran = ran_so_far({"user": failed, "orders": Reply(200, value=[{"total": "a"}]), "likes": failed})
    parts = Parts(plan, EVENTS)

    told = [parts.tell(part, part.fill(ran.scope, missing := {}), missing, ran) for part in parts.ready(ran)]

    errors = [json.loads(one.split(b"data: ")[1]).get("errors", []) for one in told]
    assert [[error.get("member", error.get("step")) for error in some] for some in errors] == [["sum"], ["user"], ["likes"]]


@pytest.mark.parametrize(
    "outcome", [Failed(Unreachable("refused")), Ended(404), Ended(200, [], is_answer=True)], ids=["failed", "ended", "answer"]
)
def test_nothing_is_ready_any_more_when_a_step_has_decided(compiled: Compiled, outcome: Outcome) -> None:
    """What came in the same moment is not told: whoever has heard nothing so far gets a status that says what happened."""
    plan = compiled(STEPS.replace("/me, optional: true", "/me, end: {when: user}"))
    parts = Parts(plan, LINES)
    fine: Outcome = Reply(200, value=[])

    assert parts.ready(ran_so_far({"user": fine, "orders": fine}))
    assert not parts.ready(ran_so_far({"user": outcome, "orders": fine}))
