"""Outcomes → the answer: members as written, one that cannot be made is null and named, and always the same bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.answer.shape import Answer, Shape
from gateway.answer.transform import off_loop
from gateway.errors import ConfigError
from gateway.expressions.reference import Unresolved
from gateway.formats.decode import JsonText, check_json, decode_json
from gateway.formats.encode import encode_json
from gateway.plan import Plan

CANARY = "c4n4ry"
FAILURE = {"type": "urn:problem:fanin:deadline", "title": "Too late", "status": 504, "step": "orders"}

Compiled = Callable[..., Plan]

STEPS = """
path: /v1/{id}
steps:
  user: {get: "users /users/{path.id}"}
  orders: {get: users /orders}
  catalog: {get: users /catalog}
"""

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text("abc", max_size=2), children, max_size=3),
)


def shape(compiled: Compiled, response: str = "") -> Shape:
    """The shape of an endpoint with three steps, and this template."""
    return compiled(f"{STEPS}response: {response}" if response else STEPS).shape


def test_without_a_template_each_step_is_a_member(compiled: Compiled) -> None:
    """In the order written, whatever order the values came in."""
    scope = {"catalog": 3, "steps": {}, "orders": None, "path": {"id": "7"}, "user": {"b": 1, "a": 2}}

    value, missing = shape(compiled)(scope)

    assert Answer(value).encode() == b'{"user":{"b":1,"a":2},"orders":null,"catalog":3}'
    assert missing == {}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("user", b'{"id":7,"tags":["x"]}'),
        ("user.id", b"7"),
        ("user.absent", b"null"),
        ("{z: user.id, a: orders}", b'{"z":7,"a":[{"id":1,"by":7},{"id":2,"by":8}]}'),
        ("{me: {id: user.id, deep: {tags: 'user.tags'}}, n: 1, none: null, yes: true}",
         b'{"me":{"id":7,"deep":{"tags":["x"]}},"n":1,"none":null,"yes":true}'),
        ("[user.id, [path.id, \"'text'\"]]", b'[7,["7","text"]]'),
        ("{ids: 'orders[].id', mine: 'orders[?by == `7`] | [0].id'}", b'{"ids":[1,2],"mine":1}'),
        ("'orders[].{by: by, id: id}'", b'[{"by":7,"id":1},{"by":8,"id":2}]'),
        ("{status: steps.user.status, n: 'length(orders)'}", b'{"status":200,"n":2}'),
    ],
)  # fmt: skip
def test_a_template_is_filled_in(compiled: Compiled, response: str, expected: bytes) -> None:
    """Every string is an expression, everything else stands as written, at any depth."""
    scope = {
        "path": {"id": "7"},
        "user": {"id": 7, "tags": ["x"]},
        "orders": [{"id": 1, "by": 7}, {"id": 2, "by": 8}],
        "catalog": None,
        "steps": {"user": {"status": 200}},
    }

    value, missing = shape(compiled, response)(scope)

    assert Answer(value).encode() == expected
    assert missing == {}


def test_a_member_that_cannot_be_made_is_null_and_named(compiled: Compiled) -> None:
    """One bad member costs neither the others nor its own neighbours, and what is said of it has no value in it."""
    template = "{good: user.id, bad: 'sum(user.tags)', deep: {list: [user.id, {worse: 'abs(user.tags)'}], fine: orders}}"
    scope = {"user": {"id": 7, "tags": [CANARY]}, "orders": [], "catalog": None}

    value, missing = shape(compiled, template)(scope)

    assert value == {"good": 7, "bad": None, "deep": {"list": [7, {"worse": None}], "fine": []}}
    assert missing == {
        "bad": "'sum(user.tags)' does not fit the values at hand",
        "deep.list[1].worse": "'abs(user.tags)' does not fit the values at hand",
    }


MERGES = """
  who: {merge: [user, {n: "length(orders)", deep: {merge: [orders.b, catalog], how: prefer}}], how: deep, collisions: last}
  all: [{merge: ["orders[]", catalog], how: concat}]
  text: {transform: "json:dumps", of: {user: user, ids: "orders[].id"}}
"""


def test_directives_are_filled_wherever_they_stand(compiled: Compiled) -> None:
    """In each other, in lists, beside plain members."""
    scope = {"user": {"id": 7, "deep": {"x": 1}}, "orders": [{"id": 1}], "catalog": None}

    value, missing = shape(compiled, MERGES)(scope)

    assert value["who"] == {"id": 7, "deep": None, "n": 1}
    assert value["all"] == [[{"id": 1}]]
    assert value["text"] == '{"user": {"id": 7, "deep": {"x": 1}}, "ids": [1]}'
    assert missing == {}


@pytest.mark.parametrize(
    ("template", "expected", "told"),
    [
        ("{merge: [user, orders], how: deep, collisions: last}", None, {"a": "a part to merge is not an object"}),
        ("{merge: [user, 'abs(user)'], how: shallow, collisions: last}", {"id": 7},
         {"a": "'abs(user)' does not fit the values at hand"}),
        ("{merge: [user, {n: 'abs(user)'}], how: shallow, collisions: last}", {"id": 7, "n": None},
         {"a.n": "'abs(user)' does not fit the values at hand"}),
        ("{merge: ['abs(user)', user], how: prefer}", {"id": 7}, {"a": "'abs(user)' does not fit the values at hand"}),
        ("{merge: [user, 'abs(user)'], how: prefer}", {"id": 7}, {}),
        ("{transform: 'math:sqrt', of: user.id}", 7**0.5, {}),
        ("{transform: 'math:sqrt', of: user}", None, {"a": "math:sqrt failed"}),
        ("{merge: [{transform: 'math:sqrt', of: user}, user], how: prefer}", {"id": 7}, {"a": "math:sqrt failed"}),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_made_costs_no_other(compiled: Compiled, template: str, expected: Any, told: Any) -> None:
    """What is missing in a merge is told where it is missing; a part that nobody asked for is not told at all."""
    scope = {"user": {"id": 7}, "orders": [CANARY], "catalog": None}

    value, missing = shape(compiled, f"{{a: {template}, b: user.id}}")(scope)

    assert (value, missing) == ({"a": expected, "b": 7}, told)


def test_only_a_function_that_takes_long_is_run_off_the_loop(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in the template it stands. That is known before anything runs."""
    template = "[{merge: [user, {a: {transform: 'shop_hooks:rank', of: user.id}}], how: prefer}]"

    monkeypatch.setitem(sys.modules, "shop_hooks", SimpleNamespace(rank=lambda value: value))
    before = shape(compiled, template)
    monkeypatch.setitem(sys.modules, "shop_hooks", SimpleNamespace(rank=off_loop(lambda value: value)))

    assert [before.off_loop, shape(compiled, template).off_loop, shape(compiled).off_loop] == [False, True, False]


def test_an_answer_that_is_one_expression_may_be_missing_as_a_whole(compiled: Compiled) -> None:
    """The answer is null then, and the member that is missing has no name."""
    value, missing = shape(compiled, "sum(user)")({"user": CANARY})

    assert value is None
    assert list(missing) == [""]
    assert CANARY not in str(missing)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["user", "orders", "catalog"]), json_values, min_size=3))
@pytest.mark.parametrize("response", ["", "{a: orders, b: [user, catalog], c: 'length(keys({x: user, y: orders}))'}"])
def test_the_same_values_give_the_same_bytes(compiled: Compiled, response: str, values: dict[str, Any]) -> None:
    """Whatever order the replies arrived in."""
    made = shape(compiled, response)

    answers = {Answer(made(dict(order))[0]).encode() for order in permutations(values.items())}

    assert len(answers) == 1


def test_big_integers_and_the_order_of_members_survive(compiled: Compiled) -> None:
    """An answer has the digits and the order of what came back."""
    user = {"z": 10**30, "a": -(2**63) - 1, "é": "\U0001f600\x00", "m": 1.5}

    encoded = Answer(shape(compiled, "user")({"user": user})[0]).encode()

    assert encoded.decode() == f'{{"z":{10**30},"a":{-(2**63) - 1},"é":"\U0001f600\\u0000","m":1.5}}'
    assert list(json.loads(encoded).items()) == list(user.items())


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["user", "orders", "catalog"]), json_values, min_size=3))
@pytest.mark.parametrize(
    "response",
    [
        "",
        "{a: orders, b: [user, {c: catalog}], d: user}",
        "user",
        "{a: {merge: [user, orders], how: prefer}, b: catalog, c: user, d: orders}",
        "[{transform: 'json:dumps', of: [user, {a: orders}]}, user, orders, catalog]",
    ],
)
def test_a_text_makes_the_answer_that_its_value_makes(compiled: Compiled, response: str, values: dict[str, Any]) -> None:
    """Whether a part is decoded or stays the text that came, a client reads the same."""
    made = shape(compiled, response)
    texts = {name: check_json(b" " + encode_json(value)) for name, value in values.items()}

    decoded, spliced = (Answer(made(scope)[0]).encode() for scope in (values, texts))

    assert decode_json(spliced) == decode_json(decoded)
    assert all(bytes(texts[name]) in spliced for name in values if name in response or not response)


def test_a_text_that_has_no_value_cannot_be_added_to() -> None:
    """Listing what failed means reading the whole answer, and a number may be too large for that."""
    answer = Answer(JsonText(b'{"a":1e400}'), (FAILURE,))

    with pytest.raises(Unresolved):
        answer.encode()


def test_what_is_no_number_is_null() -> None:
    """`to_number` can make it, JSON cannot say it."""
    assert Answer([float("nan"), float("inf"), -float("inf")]).encode() == b"[null,null,null]"


@pytest.mark.parametrize("value", ["\ud800", {"\udc00": 1}, ["a", {"b": "\udfff"}]], ids=["text", "key", "deep"])
def test_an_answer_that_json_has_no_form_for_is_unresolved(value: Any) -> None:
    """Half a surrogate pair has no bytes."""
    with pytest.raises(Unresolved, match="the answer has a value that JSON has no form for"):
        Answer(value).encode()


def test_an_answer_nested_beyond_the_stack_is_unresolved() -> None:
    """It is not a crash."""
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]

    with pytest.raises(Unresolved):
        Answer(deep).encode()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer({"a": 1}), {"a": 1}),
        (Answer({"a": 1}, (FAILURE,)), {"a": 1, "errors": [FAILURE]}),
        (Answer({"a": 1}, (FAILURE, FAILURE), "missing"), {"a": 1, "missing": [FAILURE, FAILURE]}),
        (Answer({"a": 1}, (FAILURE,), None), {"a": 1}),
        (Answer([1], (FAILURE,)), [1]),
        (Answer(None, (FAILURE,)), None),
        (Answer(JsonText(b'{"a":1}'), (FAILURE,)), {"a": 1, "errors": [FAILURE]}),
        (Answer(JsonText(b'{"a":1,"errors":0}'), (FAILURE,)), {"a": 1, "errors": [FAILURE]}),
        (Answer(JsonText(b"[1]"), (FAILURE,)), [1]),
    ],
)
def test_what_failed_is_listed_in_a_member_of_its_own(answer: Answer, expected: Any) -> None:
    """Last in the answer, under its configured name; an answer that is no object has no place for it."""
    assert answer.encode() == json.dumps(expected, separators=(",", ":")).encode()
    assert answer.complete is not bool(answer.errors)


def test_listing_what_failed_leaves_the_value_alone() -> None:
    """The answer's value may be a reply's own body, which somebody else may have too."""
    value = {"a": 1}

    Answer(value, (FAILURE,)).encode()

    assert value == {"a": 1}


@pytest.mark.parametrize(
    "text", [f"{STEPS}response: {{errors: user}}", STEPS.replace("orders:", "errors:")], ids=["response", "step"]
)
def test_a_member_of_that_name_is_a_config_error(compiled: Compiled, text: str) -> None:
    """Nothing is silently overwritten."""
    with pytest.raises(ConfigError, match="'errors' is where failed steps are listed"):
        compiled(text)
