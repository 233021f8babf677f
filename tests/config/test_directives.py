"""Templates with directives in them, whatever is written and whatever comes: findings, or an answer, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.answer.shape import Answer
from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.formats.decode import decode_json
from gateway.formats.encode import encode_json
from gateway.load import load_text
from gateway.plan import Plan

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /
    steps: { a: { get: shop /a }, b: { get: shop /b } }
    response: %s
"""

expressions = st.sampled_from(
    ["a", "b", "a[0]", "b.x", "{x: a, y: b}", "a[].{id: id}", "sum(a)", "[a, b]", "`null`", "c", "{", ""]
)
words = st.sampled_from(["merge", "how", "collisions", "transform", "of", "x", "y", "errors"])
ways = st.sampled_from(
    ["shallow", "deep", "concat", "keyed(id)", "keyed(@)", "keyed(sum(id))", "prefer", "keyed", "other", "keyed()"]
)


def merges(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A merge as it should be written, or nearly."""
    return st.fixed_dictionaries(
        {"merge": st.lists(parts, min_size=1, max_size=3), "how": ways},
        optional={"collisions": st.sampled_from(["first", "last", "fail"])},
    )


def transforms(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A function that takes anything, one that takes numbers alone, or none."""
    return st.fixed_dictionaries(
        {"transform": st.sampled_from(["json:dumps", "math:sqrt", "operator:not_", "json:no"]), "of": parts}
    )


templates = st.recursive(
    expressions | st.none() | st.integers(0, 3),
    lambda below: merges(below) | transforms(below) | st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=3),
    max_leaves=8,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.just("x"),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", "x", "y"]), below, max_size=3),
    max_leaves=6,
)


def compiled(template: Any) -> Plan | None:
    """The plan, None where there are findings."""
    try:
        (plan,) = compile_plans(load_text(CONFIG % json.dumps(template)))
    except ConfigError:
        return None
    return plan


@settings(deadline=None, max_examples=300)
@given(template=templates, a=values, b=values)
def test_any_template_has_findings_or_an_answer(template: Any, a: Any, b: Any) -> None:
    """Whatever stands in it, and whatever upstreams send. It is the same whether a reply was decoded or is still the text that came."""
    plan = compiled(template)
    if plan is None:
        return
    came = {step.name: step.recipe.expects.format for step in plan.steps}

    value, missing = plan.shape({name: came[name].decode(encode_json(value), ()) for name, value in (("a", a), ("b", b))})
    decoded, missing_of_decoded = plan.shape({"a": a, "b": b})

    assert decode_json(Answer(value).encode()) == decode_json(Answer(decoded).encode())
    assert missing == missing_of_decoded
