"""Pruning: which steps a plan keeps for what is wanted of its answer, and that the answer is that part of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer.selection import BadSelection, parse_selection
from gateway.formats.decode import JsonText
from gateway.plan import Plan
from gateway.plan.prune import prune

Compiled = Callable[..., Plan]

STEPS = """
path: /home/{id}
steps:
  user: {get: "users /users/{path.id}"}
  orders: {get: users /orders, optional: true}
  likes: {get: "users /likes/{user.segment}"}
"""
SHAPED = f"""{STEPS}
response:
  user: user
  about: {{name: user.name, buys: [orders, "orders[0]"], likes: {{list: likes, first: "likes[0]"}}}}
  both: "{{name: user.name, orders: orders}}"
  status: steps.orders.status
  best: {{merge: [orders, likes], how: prefer}}
  here: path.id
"""


def kept(plan: Plan, wanted: str) -> list[str]:
    """The steps that run when this is wanted."""
    return [step.name for step in prune(plan, parse_selection(wanted)).steps]


@pytest.mark.parametrize(
    ("wanted", "steps"),
    [
        ("user", ["user"]),
        ("orders", ["orders"]),
        ("likes", ["user", "likes"]),
        ("likes,user", ["user", "likes"]),
        ("orders.total", ["orders"]),
        ("errors", []),
    ],
)
def test_what_nobody_asked_for_is_not_called(compiled: Compiled, wanted: str, steps: list[str]) -> None:
    """Only what is wanted runs, and what that waits for."""
    assert kept(compiled(STEPS), wanted) == steps


@pytest.mark.parametrize(
    ("wanted", "steps"),
    [
        ("user", ["user"]),
        ("about.name", ["user"]),
        ("about.likes.first", ["user", "likes"]),
        ("about.buys", ["orders"]),
        ("about.buys.total", ["orders"]),
        ("about", ["user", "orders", "likes"]),
        ("both.orders", ["orders"]),
        ("both.name.first", ["user"]),
        ("status", ["orders"]),
        ("best", ["user", "orders", "likes"]),
        ("best.id", ["user", "orders", "likes"]),
        ("here", []),
    ],
)
def test_a_template_is_pruned_as_deep_as_it_goes(compiled: Compiled, wanted: str, steps: list[str]) -> None:
    """Objects of the config's, written in YAML or as an expression; what lies below is chosen from the value."""
    assert kept(compiled(SHAPED), wanted) == steps


def test_a_step_that_writes_always_runs(compiled: Compiled) -> None:
    """And so does what it waits for, whatever is wanted of the answer."""
    writing = STEPS.replace("get: users /orders", 'post: "users /orders?for={likes.id}"').replace("path:", "method: POST\npath:")

    assert kept(compiled(writing), "user") == ["user", "orders", "likes"]


def test_a_step_whose_value_nobody_ever_asks_for_always_runs(compiled: Compiled) -> None:
    """It can only be there to fail when it must: no client gets around it."""
    allowed = STEPS + "  allowed: {get: users /allowed}\nresponse: {user: user, orders: orders, likes: likes}"

    assert kept(compiled(allowed), "user") == ["user", "allowed"]
    assert kept(compiled(f"{STEPS}  allowed: {{get: users /allowed}}"), "user") == ["user"]


@pytest.mark.parametrize(
    "wanted", ["users", "user,orders.id,basket", "about.nome", "about.likes.second.id", "both.z", "user.id,z"]
)
def test_a_name_that_the_config_cannot_mean_is_refused(compiled: Compiled, wanted: str) -> None:
    """The complaint says what there is, and repeats nothing of what was asked."""
    with pytest.raises(BadSelection) as refused:
        prune(compiled(SHAPED), parse_selection(wanted))

    assert "there are " in str(refused.value)
    assert not {"users", "basket", "nome", "second", "z"} & set(str(refused.value).replace(",", "").split())


def test_what_is_no_object_is_chosen_from_its_value(compiled: Compiled) -> None:
    """An answer that is one expression has the members that its value has."""
    plan = prune(compiled(f"{STEPS}response: orders"), parse_selection("total"))

    assert plan.shape({"orders": [{"id": 1, "total": 2}]}) == ([{"total": 2}], {})


def test_a_text_that_cannot_be_read_is_missing(compiled: Compiled) -> None:
    """What was only checked on its way in is read when a part of it is wanted: should that fail, the member is null and named."""
    plan = prune(compiled(STEPS), parse_selection("user.id,orders"))

    value, missing = plan.shape({"user": JsonText(b'{"id": 1e999}'), "orders": 1})

    assert value == {"user": None, "orders": 1}
    assert list(missing) == ["user"]


@pytest.mark.parametrize(
    "ending",
    [
        "end: {when: likes.gone, status: 410}",
        "on_status: {404: end}",
        'fallback: {get: "users /likes/{user.segment}", on_status: {404: end}}',
    ],
)
def test_a_step_that_may_end_the_answer_always_runs(compiled: Compiled, ending: str) -> None:
    """What it decides does not depend on what else a client wants."""
    deciding = STEPS.replace(
        '{get: "users /likes/{user.segment}"}', f'{{get: "users /likes/{{user.segment}}", optional: true, {ending}}}'
    )

    assert kept(compiled(deciding), "orders") == ["user", "orders", "likes"]


@pytest.mark.parametrize(
    ("wanted", "steps"), [("orders", ["orders", "likes", "prices"]), ("likes", ["orders", "likes"]), ("user", ["user"])]
)
def test_what_is_joined_into_a_value_comes_with_it(compiled: Compiled, wanted: str, steps: list[str]) -> None:
    """Whoever wants the orders gets them joined; what is made from them takes them as they came."""
    joined = """
        path: /home
        steps:
          user: {get: users /me}
          orders: {get: users /orders}
          likes: {for_each: "orders[].id", get: "users /likes/{item}", join: {into: "orders[]", on: id, as: likes}}
          prices: {for_each: "orders[].id", get: "users /prices/{item}", join: {into: "orders[]", on: id, as: price}}
        response: {user: user, orders: orders, likes: likes}
    """

    assert kept(compiled(joined), wanted) == steps


def test_what_the_head_names_always_runs(compiled: Compiled) -> None:
    """A client chooses among the members of the answer; its status and headers come with any of them."""
    headed = f"{STEPS}headers: {{X-Total: '{{orders[0].total}}', X-Page: '{{query.page}}'}}"

    assert kept(compiled(headed), "user") == ["user", "orders"]


names = st.sampled_from(["id", "name", "segment", "first"])
values = st.recursive(
    st.none() | st.integers() | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from(["user", "about", "both", "about.name", "about.buys", "about.likes.list", "here", "status", "best"])
wanted_texts = st.lists(st.tuples(paths, st.lists(names, max_size=2)), min_size=1, max_size=4)


@given(user=values, orders=values, likes=values, wanted=wanted_texts)
def test_what_is_wanted_is_a_part_of_the_whole(
    compiled: Compiled, user: Any, orders: Any, likes: Any, wanted: list[tuple[str, list[str]]]
) -> None:
    """Nothing is made otherwise because less of it is wanted, with the values that it takes and no others."""
    plan = compiled(SHAPED)
    selection = parse_selection(",".join(".".join((path, *below)) for path, below in wanted))
    scope = {"path": {"id": "7"}, "steps": {"orders": {"status": 200}}, "user": user, "orders": orders, "likes": likes}

    try:
        pruned = prune(plan, selection)
    except BadSelection:
        return
    present = {step.name for step in pruned.steps} | {"path", "steps"}
    value, _ = pruned.shape({name: value for name, value in scope.items() if name in present})

    assert value == selection(plan.shape(scope)[0])
    assert list(value) == [name for name in plan.shape(scope)[0] if name in value]
