"""Types of steps, against what the config itself says: fallbacks, meanings of statuses, and steps that may come to nothing."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent, indent

import pytest

from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.load import load_text
from gateway.typed import Model, ValueType

CONFIG = """
version: 1
upstreams: {shop: {url: "http://127.0.0.1:9101"}}
endpoints:
  - path: /home/{id}
    steps:
"""


def complaints(steps: str, **types: ValueType) -> list[str]:
    """What is wrong with these steps, each by its path and what it is."""
    loaded = load_text(CONFIG + indent(dedent(steps), " " * 6))
    try:
        compile_plans(replace(loaded, models={0: Model(types)}))
    except ConfigError as error:
        return [f"{finding.path.removeprefix('endpoints[0].steps.')}: {finding.message}" for finding in error.findings]
    return []


NULLS = [
    ("a: {get: shop /a, optional: true}", "is optional"),
    ("a: {get: shop /a, optional: true, fallback: '{path.id}'}", "is optional"),
    ("a: {get: shop /a, when: path.id}", "runs only when its condition holds"),
    ("a: {get: shop /a, on_status: {404: skip}}", "is skipped for a status"),
    ("b: {get: shop /b, when: path.id}\na: {get: 'shop /a/{b.id}'}", "needs b, which may be skipped"),
    (
        "c: {get: shop /c, when: path.id}\nb: {get: shop /b, needs: [c]}\na: {get: shop /a, needs: [b]}",
        "needs b, which may be skipped",
    ),
]


@pytest.mark.parametrize(("steps", "why"), NULLS)
def test_step_that_may_be_null_needs_a_type_that_takes_null(steps, why):
    """Or the answer would not be what its schema promises."""
    assert complaints(steps, a=ValueType(int)) == [
        f"a: may be null: it {why}; write 'TYPE | None', or give it a fallback without references"
    ]
    assert complaints(steps, a=ValueType(int | None)) == []


@pytest.mark.parametrize(
    "steps",
    [
        "a: {get: shop /a}",
        "a: {get: shop /a, optional: true, fallback: 0}",
        "a: {get: shop /a, on_status: {404: skip}, fallback: 0}",
        "b: {get: shop /b, when: path.id, fallback: {}}\na: {get: shop /a, needs: [b]}",
        "b: {get: shop /b, optional: true}\na: {get: shop /a, needs: [b]}",
        "b: {get: shop /b, when: path.id}\na: {get: shop /a, optional: true, fallback: '7', needs: [b]}",
    ],
)
def test_step_that_always_has_a_value_does_not(steps):
    """A fallback written out always stands in; a required step that fails leaves no answer to be null in."""
    assert complaints(steps, a=ValueType(int)) == []


def test_fallback_that_does_not_fit_is_a_finding():
    """What is written out can be judged before anybody asks."""
    assert complaints("a: {get: shop /a, optional: true, fallback: [{}]}", a=ValueType(list[int])) == [
        "a.fallback: does not fit its type: [0] (int_type)"
    ]


def test_meaning_of_a_status_that_does_not_fit_is_a_finding():
    """So can what a status means."""
    steps = "a: {get: shop /a, on_status: {404: none, 410: 0}}"

    assert complaints(steps, a=ValueType(int)) == ["a.on_status.404: does not fit its type: the value (int_parsing)"]


LOOP = "for_each: path.id, get: 'shop /{item}'"


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (LOOP, "an item may not be there; or say items: required"),
        (f"{LOOP}, items: optional", "an item may not be there; or say items: required"),
        (f"{LOOP}, items: required, on_status: {{404: skip}}", "an item may be skipped"),
        (f"{LOOP}, items: required, batch: {{get: 'shop /?i={{items}}', on_status: {{404: skip}}}}", "an item may be skipped"),
    ],
)
def test_loop_with_places_for_what_may_not_be_there_needs_a_type_with_null(step, why):
    """The list has a place for every item, whatever came for it."""
    complaint = f"a: may have null in its list, as {why}; write 'list[TYPE | None]'"

    assert complaints(f"a: {{{step}}}", a=ValueType(list[int])) == [complaint]
    assert complaints(f"a: {{{step}}}", a=ValueType(list[int | None])) == []


def test_loop_whose_items_are_all_there_does_not():
    """One that is not there fails the step."""
    assert complaints(f"a: {{{LOOP}, items: required}}", a=ValueType(list[int])) == []


def test_meaning_of_a_status_in_a_loop_is_an_element_s():
    """It stands for one item."""
    steps = f"a: {{{LOOP}, on_status: {{404: 0, 410: [0]}}}}"

    assert complaints(steps, a=ValueType(list[int | None])) == ["a.on_status.410: does not fit its type: the value (int_type)"]


def test_types_change_nothing_else_in_a_plan():
    """A typed plan is the plan that its config gives, apart from the types."""
    loaded = load_text(CONFIG + "      a: {get: shop /a, optional: true, fallback: [1]}")

    (untyped,) = compile_plans(loaded)
    (typed,) = compile_plans(replace(loaded, models={0: Model({"a": ValueType(list[int])})}))

    assert typed == untyped
    assert str(typed) == str(untyped)
    assert untyped.steps[0].schema is None
    assert typed.steps[0].schema == {"type": "array", "items": {"type": "integer"}}
