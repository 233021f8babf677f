"""What an expression finds in a value of a schema is a value of the schema that is computed for it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.expressions.reference import BadExpression, Expression, Unresolved, parse_expression
from gateway.openapi.expression import Search
from gateway.openapi.schema import ANY, LOOKS, Schema, Schemas

COMPONENTS: dict[str, Schema] = {
    "a.Item": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
    "a.Maybe": {"anyOf": [{"$ref": "#/components/schemas/a.Item"}, {"type": "null"}]},
    "a.Tree": {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"$ref": "#/components/schemas/a.Tree"}},
            "c": {"type": ["string", "null"]},
        },
        "required": ["a"],
    },
}
ITEM: st.SearchStrategy[Any] = st.fixed_dictionaries({"a": st.text(max_size=2), "b": st.integers(-5, 5)})
TREE: st.SearchStrategy[Any] = st.recursive(
    st.fixed_dictionaries({"a": st.just([])}, optional={"c": st.none() | st.text(max_size=2)}),
    lambda inner: st.fixed_dictionaries({"a": st.lists(inner, max_size=2)}, optional={"c": st.none() | st.text(max_size=2)}),
    max_leaves=4,
)
ANYTHING = st.recursive(
    st.sampled_from([None, True, False, 0, 1, -1.5, "", "a", "7"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


class Promise(NamedTuple):
    """A schema, and values of it."""

    schema: Schema
    values: st.SearchStrategy[Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def resolve(ref: str) -> Schema:
    """The components above."""
    return COMPONENTS[ref.rpartition("/")[2]]


SCHEMAS = Schemas(resolve)
LEAVES = st.sampled_from(
    [
        Promise({"type": "string"}, st.text(max_size=2)),
        Promise({"type": "string", "minLength": 1}, st.text(min_size=1, max_size=2)),
        Promise({"type": ["integer", "null"]}, st.none() | st.integers(-3, 3)),
        Promise({"type": "number"}, st.integers(-3, 3) | st.sampled_from([0.5, -1.5])),
        Promise({"type": "boolean"}, st.booleans()),
        Promise({"enum": ["a", "", None]}, st.sampled_from(["a", "", None])),
        Promise({"type": "string", "enum": ["a", "b"]}, st.sampled_from(["a", "b"])),
        Promise({"const": {"a": [1, "x"], "b": None}}, st.just({"a": [1, "x"], "b": None})),
        Promise({"const": 1}, st.just(1)),
        Promise({"const": True}, st.just(True)),
        Promise(ANY, ANYTHING),
        Promise({"description": "anything"}, ANYTHING),
        Promise(
            {"properties": {"a": {"type": "string"}}},
            ANYTHING.filter(lambda v: not isinstance(v, dict) or isinstance(v.get("a", ""), str)),
        ),
        Promise(_ref("a.Item"), ITEM),
        Promise(_ref("a.Maybe"), st.none() | ITEM),
        Promise(_ref("a.Tree"), TREE),
        Promise(
            {"allOf": [_ref("a.Item"), {"properties": {"b": {"minimum": 0}}, "required": ["b"]}]},
            ITEM.filter(lambda v: v["b"] >= 0),
        ),
        Promise(
            {
                "allOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "null"}},
                    {"properties": {"b": {}}},
                ]
            },
            st.fixed_dictionaries({"a": st.text(max_size=2)}, optional={"b": st.none(), "c": st.none()}),
        ),
        Promise({"type": "array", "maxItems": 0}, st.just([])),
    ]
)


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Promise]) -> Promise:
    members = draw(st.dictionaries(st.sampled_from("abc"), inner, max_size=3))
    required = [name for name in members if draw(st.booleans())]
    more = draw(st.none() | inner)
    words: dict[str, Any] = {
        "type": "object",
        "properties": {name: one.schema for name, one in members.items()},
        "required": required,
    }
    optional = {name: one.values for name, one in members.items() if name not in required}
    values = st.fixed_dictionaries({name: members[name].values for name in required}, optional=optional)
    if more is None and draw(st.booleans()):
        return Promise({**words, "additionalProperties": False}, values)
    extra = more or Promise(ANY, ANYTHING)
    others = st.dictionaries(st.sampled_from("abcxy").filter(lambda name: name not in members), extra.values, max_size=2)
    if more:
        words["additionalProperties"] = more.schema
    return Promise(words, st.tuples(values, others).map(lambda both: {**both[0], **both[1]}))


@st.composite
def _lists(draw: st.DrawFn, inner: st.SearchStrategy[Promise]) -> Promise:
    one, least = draw(inner), draw(st.integers(0, 2))
    words = {"type": "array", "items": one.schema, **({"minItems": least} if least else {})}
    return Promise(words, st.lists(one.values, min_size=least, max_size=3))


@st.composite
def _tuples(draw: st.DrawFn, inner: st.SearchStrategy[Promise]) -> Promise:
    parts = draw(st.lists(inner, min_size=1, max_size=3))
    schema = {"type": "array", "prefixItems": [one.schema for one in parts], "items": False, "minItems": len(parts)}
    return Promise(schema, st.tuples(*(one.values for one in parts)).map(list))


@st.composite
def _choices(draw: st.DrawFn, inner: st.SearchStrategy[Promise]) -> Promise:
    parts = draw(st.lists(inner, min_size=1, max_size=3))
    return Promise({"anyOf": [one.schema for one in parts]}, st.one_of(*(one.values for one in parts)))


PROMISES = st.recursive(LEAVES, lambda inner: _objects(inner) | _lists(inner) | _tuples(inner) | _choices(inner), max_leaves=6)

ATOMS = st.sampled_from(
    [*"abc", "@", "*", "[*]", "[]", "[0]", "[-1]", "[2]", "[1:]", "`null`", "`0`", "'a'", "`[]`", '`[1, [2], {"a": 3}]`']
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    right = st.sampled_from(
        [".a", ".b.c", "[0]", "[-1]", "[]", "[*]", ".*", "[1:]", "[?a]", "[?@ == `1`].a", ".[a, b]", ".{x: a, y: @}", "[].a"]
    )
    between = st.sampled_from(["||", "&&", "|", "==", "<"])
    one = [
        "abs", "avg", "ceil", "keys", "length", "max", "min", "reverse", "sort", "sum", "to_array", "to_string", "to_number", "type", "values",
    ]  # fmt: skip
    two = st.sampled_from(["not_null", "merge", "contains", "join", "starts_with"])
    return (
        st.tuples(inner, right).map("".join)
        | st.tuples(inner, between, inner).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})")
        | st.tuples(inner, inner).map(lambda parts: f"{{x: {parts[0]}, y: [{parts[1]}, @]}}")
        | st.tuples(inner, inner).map(lambda parts: f"({parts[0]})[?{parts[1]}]")
        | st.tuples(st.sampled_from(one), inner).map(lambda parts: f"{parts[0]}({parts[1]})")
        | st.tuples(two, inner, inner).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})")
        | st.tuples(st.sampled_from(["max_by", "min_by", "sort_by"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, &{p[2]})")
        | st.tuples(inner, inner).map(lambda parts: f"map(&({parts[0]}), {parts[1]})")
        | inner.map(lambda text: f"!({text})")
    )


EXPRESSIONS = st.recursive(ATOMS, _larger, max_leaves=5)


def found_in(schema: Schema, text: str) -> tuple[Schema, bool]:
    """What the expression finds in values of the schema, and whether it may fail."""
    search = Search(SCHEMAS)
    return search(parse_expression(text).tree, schema), search.may_fail


def _parsed(text: str) -> Expression:
    return parse_expression(text)


def holds(schema: Schema, value: Any) -> bool:
    """The value is one of this schema, asked of somebody else."""
    return Draft202012Validator({**schema, "components": {"schemas": COMPONENTS}}).is_valid(value)


@settings(max_examples=300, deadline=None)
@given(PROMISES, EXPRESSIONS, st.data())
def test_what_is_found_is_what_was_promised(promise: Promise, text: str, data: st.DataObject) -> None:
    """Whatever the schema, the value and the expression: too much may be promised of it, never too little."""
    value = data.draw(promise.values)
    try:
        expression = parse_expression(text)
    except BadExpression:
        return

    schema, may_fail = found_in(promise.schema, text)

    Draft202012Validator.check_schema(schema)
    try:
        found = expression(value)
    except Unresolved:
        assert may_fail
    else:
        assert holds(schema, found), (json.dumps(schema), found)


USER: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": ["integer", "null"]},
        "nick": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "orders": {"type": "array", "items": _ref("a.Item")},
    },
    "required": ["name", "age", "tags", "orders"],
}
TEXT: Schema = {"type": "string"}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("name", TEXT),
        ("nick", {"type": ["string", "null"]}),
        ("nick || 'none'", TEXT),
        ("nick || name", TEXT),
        ("age || `0`", {"type": "integer"}),
        ("name.first", {"type": "null"}),
        ("orders", {"type": "array", "items": _ref("a.Item")}),
        ("orders[0]", {"anyOf": [_ref("a.Item"), {"type": "null"}]}),
        ("orders[].a", {"type": "array", "items": TEXT}),
        ("orders[?b > `1`].{id: a}", {"type": "array", "items": {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}}),
        ("orders[0].a", {"type": ["string", "null"]}),
        ("[name, age][0]", TEXT),
        ("length(orders)", {"type": "integer", "minimum": 0}),
        ("sum(orders[].b)", {"type": "integer"}),
        ("join(', ', tags)", TEXT),
        ("sort_by(orders, &b)[].a", {"type": "array", "items": TEXT}),
        ("max_by(orders, &b)", {"anyOf": [_ref("a.Item"), {"type": "null"}]}),
        ("not_null(nick, name)", TEXT),
        ("name == 'a' && tags", {"anyOf": [{"const": False}, {"type": "array", "items": TEXT}]}),
        ("to_array(name)", {"type": "array", "prefixItems": [TEXT], "items": False, "minItems": 1}),
        ("other", ANY),
        ("age > `17`", {"type": ["boolean", "null"]}),
        ("name < tags", {"type": ["boolean", "null"]}),
    ],
)  # fmt: skip
def test_it_is_as_exact_as_it_can_be(text: str, schema: Schema) -> None:
    """`{}` is honest anywhere, and helps nobody where more can be known."""
    found, may_fail = found_in(USER, text)

    assert found == schema
    assert not may_fail


@pytest.mark.parametrize(
    "text",
    [
        "length(nick)",
        "join(',', orders)",
        "sort_by(orders, &c)",
        "abs(name)",
        "merge(@, nick)",
        "contains(name, age)",
        "name < age",
        "age > other",
    ],
)
def test_what_may_be_given_the_wrong_thing_may_fail(text: str) -> None:
    """Then there is no value, and whoever uses it is told."""
    assert found_in(USER, text)[1]


def test_a_schema_that_is_itself_ends() -> None:
    """`a: {$ref: a}` is anything, and so is what has more alternatives than anybody looks at."""
    loop = Schemas(lambda ref: {"$ref": ref})
    many = {"anyOf": [{"allOf": [{"anyOf": [{"const": n}, {"const": -n}]} for n in range(1, 9)]}]}

    assert loop.variants(_ref("x")) == [ANY]
    assert SCHEMAS.variants(many) == [ANY]


@pytest.mark.parametrize(("times", "levels"), [(2, 18), (1, 3_000)], ids=["wide", "deep"])
def test_schemas_that_name_each_other_take_no_time(times: int, levels: int) -> None:
    """What is behind more references than anybody follows is anything."""
    named = {f"s{n}": {"anyOf": [{"$ref": f"s{n + 1}"}] * times} for n in range(levels)}
    asked: list[str] = []

    def resolve(name: str) -> Schema:
        asked.append(name)
        return named.get(name, {"type": "string"})

    assert ANY in Schemas(resolve).variants({"$ref": "s0"})
    assert len(asked) <= LOOKS
