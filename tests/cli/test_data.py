"""Plans as data: nothing that a plan is made of is missing from its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gateway.answer.head import Head
from gateway.answer.shape import Shape
from gateway.call import Expectation
from gateway.cli.data import as_data
from gateway.compile import compile_plans
from gateway.inputs import Input
from gateway.load import load_text
from gateway.plan import Batch, End, Join, Loop, Passthrough, Plan, Step, Undo
from gateway.plan.keeping import Keeping
from gateway.plan.recipe import Policies, Recipe, Target
from gateway.plan.worst import Worst

CONFIG = """
version: 1
upstreams:
  shop: { url: "http://127.0.0.1:9101", timeout: 1s, retry: {}, cache: { ttl: 1m } }
endpoints:
  - path: /orders/{id}
    method: POST
    summary: All of it
    description: At once
    tags: [orders]
    timeout: 3s
    inputs: { limit: { in: query, type: integer, default: 5, description: How many } }
    idempotency: {}
    status: 201
    headers: { Location: "/orders/{order.id}" }
    steps:
      order:
        post: shop /orders?limit={query.limit}
        headers: { X-Id: "{path.id}" }
        forward: { headers: [Accept-Language], query: [lang] }
        body: { items: "{body.items}", note: null }
        encode: form
        decode: xml
        select: order
        accept: [201]
        on_status: { 404: end, 409: { id: "{path.id}" } }
        undo: { delete: "shop /orders/{order.id}" }
      products:
        for_each: order.items[].sku
        get: shop /products/{item}
        limit: { first: 20 }
        concurrency: 4
        items: optional
        batch: { get: "shop /products?sku={items}&of={order.id}", size: 10, key: sku }
        join: { into: "order.items[]", on: sku, as: product }
        when: order.items
        optional: true
        fallback: { get: "shop /stored/{order.id}", fallback: [] }
        needs: [other]
      other: { get: shop /other, hedge: {}, inject: { latency: 1s }, end: { when: steps.other.status == `203`, status: 200, value: null } }
    response:
      all: { merge: [order, { seen: "steps.other.headers.x_seen" }], how: deep, collisions: last }
      made: { transform: "json:dumps", of: [other] }
  - { path: "/kept/{id}", cache: { ttl: 1m }, steps: { one: { get: "shop /{path.id}", forward: { headers: [x-a], query: [b] } } } }
  - { path: /stream, passthrough: { headers: [X-More] }, steps: { one: { get: shop / } } }
"""

WHERE: dict[type, dict[str, str | None]] = {
    Plan: {
        "method": "method",
        "path": "path",
        "timeout": "timeout",
        "steps": "steps.0",
        "shape": "response",
        "head": "status",
        "inputs": "inputs.0",
        "fields": "fields",
        "summary": "summary",
        "description": "description",
        "tags": "tags",
        "reads_replies": "reads.replies",
        "headers": "reads.headers",
        "reads_body": "reads.body",
        "takes_body": "reads.takes_body",
        "has_loops": None,  # a step has one
        "has_undo": None,  # a step has one
        "joins": "joins",
        "idempotency": "idempotency",
        "keeping": "^cache",
        "priority": "priority",
        "passthrough": "^^passthrough",
    },
    Shape: {
        "steps": None,  # the steps' own names
        "response": "response",
        "errors": "errors",
        "selection": None,  # what one client wants
        "parts": None,  # made of the response
        "off_loop": None,  # what the function says of itself
        "_fill": None,
    },
    Head: {"status": "status", "fields": "headers.location"},
    Input: {
        "name": "inputs.1.name",
        "where": "inputs.1.in",
        "schema": "inputs.1.schema",
        "required": "inputs.0.required",
        "default": "inputs.1.default",
        "check": None,  # made of the schema
        "description": "inputs.1.description",
    },
    Keeping: {
        "policy": "^cache.ttl",
        "path": "^cache.told_apart_by.path.0",
        "query": "^cache.told_apart_by.query.0",
        "headers": "^cache.told_apart_by.headers.0",
        "label": None,  # the policy's own words
        "scopes": "^cache.scopes.0",
    },
    Passthrough: {"keeps": "^^passthrough.keeps", "named": "^^passthrough.headers", "idle": "^^passthrough.idle"},
    Step: {
        "name": "steps.0.name",
        "recipe": "steps.0.target",
        "needs": "steps.1.needs",
        "spares": "steps.0.spares",
        "when": "steps.1.when",
        "optional": "steps.1.optional",
        "fallback": "steps.1.fallback.1",
        "others": "steps.1.fallback.0",
        "loop": "steps.1.loop",
        "end": "steps.2.end",
        "undo": "steps.0.undo",
        "sees_joined": "steps.2.sees_joined",
        "validate": None,  # a function; the schema says what it holds to
        "schema": "steps.1.schema",
        "span": None,  # of the name and the upstream
    },
    Recipe: {
        "key": "steps.1.fallback.0.name",
        "upstream": "steps.0.upstream",
        "method": "steps.0.method",
        "target": "steps.0.target",
        "base_headers": None,  # what the upstream is always given, secrets among it
        "headers": "steps.0.headers.x-id",
        "body": "steps.0.body.items",
        "encoding": "steps.0.encode",
        "forward_headers": "steps.0.forward.headers",
        "forward_query": "steps.0.forward.query",
        "select": "steps.0.select",
        "expects": "steps.0.decode",
        "on_status": "steps.0.on_status.409.id",
        "policies": "steps.0.timeout",
        "label": None,  # the cache's `key` and `tags`, read
        "validate": None,  # as a step's
    },
    Target: {"path": None, "segments": None, "query": "steps.0.query.0.value", "text": "steps.0.target"},
    Expectation: {"accept": "steps.0.accept", "handled": None, "format": "steps.0.decode"},
    Policies: {
        "timeout": "steps.0.timeout",
        "retry": "steps.0.retry.attempts",
        "cache": "steps.1.cache.ttl",
        "coalesce": "steps.1.coalesce",
        "hedge": "steps.2.hedge.percentile",
        "inject": "steps.2.inject.latency",
    },
    Loop: {
        "over": "steps.1.loop.for_each",
        "concurrency": "steps.1.loop.concurrency",
        "limit": "steps.1.loop.limit",
        "takes_first": "steps.1.loop.takes_first",
        "items": "steps.1.loop.items",
        "batch": "steps.1.loop.batch",
        "join": "steps.1.loop.join",
    },
    Batch: {
        "recipe": "steps.1.loop.batch.target",
        "size": "steps.1.loop.batch.size",
        "key": "steps.1.loop.batch.key",
        "sends_more": "steps.1.loop.batch.sends_more",
    },
    Join: {
        "into": "steps.1.loop.join.step",
        "path": None,  # the text, taken apart
        "on": "steps.1.loop.join.on",
        "member": "steps.1.loop.join.as",
        "text": "steps.1.loop.join.into",
    },
    End: {"when": "steps.2.end.when", "status": "steps.2.end.status", "value": "steps.2.end.value"},
    Undo: {"recipe": "steps.0.undo.target", "within": "steps.0.undo.within", "span": None},
    Worst: {
        "calls": "worst.calls",
        "timeout": "timeout",
        "way": "worst.way.0.seconds",
        "endless": "worst.endless",
        "undoing": "worst.undoing",
        "to_head": "^^worst.to_head",
    },
}
"""Where the JSON has each field, in the second plan behind a `^`, in the third behind two; None: it is not there, since it says nothing that
another one does not."""

EMPTY = {"steps.0.spares", "steps.1.schema", "steps.2.sees_joined", "steps.2.end.value", "worst.endless"}
"""Members that say no or nothing here, and are there all the same."""


@pytest.fixture(scope="module")
def plans() -> list[Any]:
    """Plans that have everything, through JSON and back."""
    return json.loads(json.dumps([as_data(plan) for plan in compile_plans(load_text(CONFIG, "gateway.yaml", {}))]))


def test_what_keeps_calls_away_from_an_upstream_is_in_each_call_to_it() -> None:
    """Its policies with every field; what is not written is null."""
    way = "discover: { a: a.test }, breaker: { consecutive: 7 }, eject: {}, health: { path: /livez }, bulkhead: {}"
    config = f"version: 1\nupstreams: {{ a: {{ {way} }} }}\n"
    (plan,) = compile_plans(load_text(config + "endpoints: [{ path: /, steps: { x: { get: a / } } }]", "gateway.yaml", {}))

    (step,) = as_data(plan)["steps"]

    assert (step["breaker"]["consecutive"], step["eject"]["out"], step["throttle"]) == (7, 30.0, None)
    assert (step["health"]["path"], step["discover"]["a"]) == ("/livez", "a.test")
    assert step["bulkhead"] == {"permits": 100, "queue": 50, "wait": 0.05, "adaptive": None}


@pytest.mark.parametrize("kind", WHERE, ids=lambda kind: kind.__name__)
def test_every_field_of_a_plan_is_in_its_json(plans: list[Any], kind: type) -> None:
    """A field that is new has its place here, or a reason to have none; what has a place says something."""
    assert [field.name for field in fields(kind)] == list(WHERE[kind])

    for where in filter(None, WHERE[kind].values()):
        found: Any = plans[where.count("^")]
        for part in where.lstrip("^").split("."):
            found = found[int(part) if isinstance(found, list) else part]
        assert found not in (None, "", [], {}, False) or where in EMPTY, where


def test_every_member_is_documented(plans: list[Any]) -> None:
    """In the reference of the command, by its name."""
    text = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    own = {"schema", "headers", "response", "body", "value", "on_status", "joins"}

    def names(node: Any) -> Iterator[str]:
        """Names of members, but for what the config itself names."""
        for name, child in node.items() if isinstance(node, dict) else ():
            yield name
            yield from names(child) if name not in own else ()
        for child in node if isinstance(node, list) else ():
            yield from names(child)

    assert {name for name in names(plans) if f"`{name}`" not in text} == set()


def test_a_value_that_is_null_is_told_from_none(plans: list[Any]) -> None:
    """Only what is written has a `value`."""
    order, products, other = plans[0]["steps"]

    assert other["end"] == {"when": "steps.other.status == `203`", "status": 200, "value": None}
    assert [call.get("value", call.get("target")) for call in products["fallback"]] == ["/stored/{order.id}", []]
    assert (order["fallback"], other["fallback"]) == ([], [])


def test_what_is_made_of_others_stands_as_it_is_written(plans: list[Any]) -> None:
    """A template's expressions as text, `merge` and `transform` in their own words."""
    assert plans[0]["response"] == {
        "all": {"merge": ["order", {"seen": "steps.other.headers.x_seen"}], "how": "deep", "collisions": "last"},
        "made": {"transform": "json:dumps", "of": ["other"]},
    }


def test_what_is_not_there_is_told_from_null() -> None:
    """An end without a value is a problem; JSON has no infinity for a time that nothing limits."""
    step = "{ get: a /, end: { when: a.b, status: 404 } }"
    text = f'version: 1\nupstreams: {{ a: {{ url: "http://a" }} }}\nendpoints: [{{ path: /, steps: {{ a: {step} }} }}]\n'

    data = as_data(compile_plans(load_text(text, "gateway.yaml", {}))[0])

    assert data["steps"][0]["end"] == {"when": "a.b", "status": 404}
    assert (data["worst"]["slowest"], data["worst"]["way"]) == (None, [{"step": "a", "seconds": None}])
    assert data["worst"]["endless"] == ["a"]
