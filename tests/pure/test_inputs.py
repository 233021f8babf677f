"""Inputs: text from a client → typed values, or a refusal that names the input and never the value."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.inputs import Input, Misfit, Refused, make_input, read_inputs
from gateway.plan import Plan

CANARY = "c4n4ry"

TYPES = ("string", "integer", "number", "boolean", "array")
ONE_OF_SEVERAL = "input should be 1, 2 or 3"


def declared(where: Any = "query", **words: Any) -> Input:
    """An input of these words, called `one`."""
    return make_input("one", where, words)


@pytest.mark.parametrize(
    ("words", "text", "value"),
    [
        ({}, "", ""),
        ({}, " 5", " 5"),
        ({"type": "string", "minLength": 2, "maxLength": 3}, "éé", "éé"),
        ({"type": "string", "pattern": "[a-z]+"}, "abc", "abc"),
        ({"type": "string", "pattern": "a|b"}, "b", "b"),
        ({"type": "string", "enum": ("a", "b")}, "b", "b"),
        ({"type": "integer"}, "5", 5),
        ({"type": "integer"}, "-5", -5),
        ({"type": "integer"}, "007", 7),
        ({"type": "integer"}, "9" * 100, int("9" * 100)),
        ({"type": "integer", "minimum": 1, "maximum": 50}, "1", 1),
        ({"type": "integer", "minimum": 1, "maximum": 50}, "50", 50),
        ({"type": "integer", "minimum": 1.0}, "1", 1),
        ({"type": "integer", "minimum": 0.5, "maximum": 1.5}, "1", 1),
        ({"type": "integer", "maximum": 1e300}, "9" * 100, int("9" * 100)),
        ({"type": "integer", "enum": (1, 2, 3)}, "2", 2),
        ({"type": "integer", "enum": (10**30,)}, str(10**30), 10**30),
        ({"type": "number"}, "5", 5),
        ({"type": "number"}, str(10**30), 10**30),
        ({"type": "number"}, "-1.5", -1.5),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "number"}, "1.5E-3", 0.0015),
        ({"type": "number", "minimum": 0.5, "maximum": 2}, "0.5", 0.5),
        ({"type": "number", "enum": (1, 2.5)}, "2.5", 2.5),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "false", False),
        ({"type": "array"}, "a", ["a"]),
        ({"type": "array"}, "a,b,,c", ["a", "b", "", "c"]),
        ({"type": "array", "minLength": 2, "maxLength": 2}, "a,b", ["a", "b"]),
    ],
)
def test_text_becomes_a_typed_value(words: dict[str, Any], text: str, value: Any) -> None:
    """What fits has the type that was declared, with all its digits."""
    read = declared(**words).read([text])

    assert (read, type(read)) == (value, type(value))


PYTHON_ISMS = [
    "1_000",
    " 5",
    "5 ",
    "5\n",
    "+5",
    "٣",
    "５",
    "nan",
    "inf",
    "Infinity",
    "1e999",
    "-1e999",
    "0x10",
    "1.",
    ".5",
    "1e",
    "",
    "--5",
    "None",
    "9" * 101,
]


@pytest.mark.parametrize("text", [*PYTHON_ISMS, "true"], ids=ascii)
@pytest.mark.parametrize(("kind", "message"), [("integer", "should be an integer"), ("number", "should be a number")])
def test_what_only_python_takes_for_a_number_is_refused(kind: str, message: str, text: str) -> None:
    """A number is what JSON takes for one."""
    with pytest.raises(Refused) as refusal:
        declared(type=kind).read([text])

    assert str(refusal.value) == message


@pytest.mark.parametrize("text", ["True", "TRUE", "1", "0", "yes", "on", " true", "", "null"])
def test_only_true_and_false_are_booleans(text: str) -> None:
    """Two spellings are enough."""
    with pytest.raises(Refused, match=r"^should be a boolean$"):
        declared(type="boolean").read([text])


@pytest.mark.parametrize("text", ["1.0", "1e3", "2.5"])
def test_a_fraction_is_no_integer(text: str) -> None:
    """Not even one that is whole: the upstream would get another text."""
    with pytest.raises(Refused, match=r"^should be an integer$"):
        declared(type="integer").read([text])


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        ({"type": "integer", "minimum": 1}, "0", "input should be greater than or equal to 1"),
        ({"type": "integer", "maximum": 50}, "51", "input should be less than or equal to 50"),
        ({"type": "integer", "minimum": 0.5}, "0", "input should be greater than or equal to 1"),
        ({"type": "integer", "maximum": 50}, "9" * 100, "input should be less than or equal to 50"),
        ({"type": "number", "minimum": 0.5}, "0.4", "input should be greater than or equal to 0.5"),
        ({"type": "number", "maximum": 2}, "2.1", "input should be less than or equal to 2"),
        ({"type": "string", "minLength": 2}, "a", "string should have at least 2 characters"),
        ({"type": "string", "maxLength": 2}, CANARY, "string should have at most 2 characters"),
        ({"type": "string", "enum": ("a", "b")}, CANARY, "input should be 'a' or 'b'"),
        ({"type": "string", "enum": ("a",)}, CANARY, "input should be 'a'"),
        ({"type": "integer", "enum": (1, 2, 3)}, "4", ONE_OF_SEVERAL),
        ({"type": "integer", "enum": (1, 2, 3)}, "9" * 100, ONE_OF_SEVERAL),
        ({"type": "number", "enum": (1, 2, 3)}, "1.5", ONE_OF_SEVERAL),
        ({"type": "string", "pattern": "[a-z]+"}, f"{CANARY}1", "string should match pattern '^(?:[a-z]+)$'"),
        ({"type": "string", "pattern": "[a-z]+"}, "abc\n", "string should match pattern '^(?:[a-z]+)$'"),
        ({"type": "string", "pattern": "a|b"}, "ab", "string should match pattern '^(?:a|b)$'"),
        ({"type": "array", "minLength": 2}, CANARY, "list should have at least 2 items after validation, not 1"),
        ({"type": "array", "maxLength": 1}, f"{CANARY},b", "list should have at most 1 item after validation, not 2"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_value(words: dict[str, Any], text: str, message: str) -> None:
    """The message says what would fit; the value is never repeated."""
    with pytest.raises(Refused) as refusal:
        declared(**words).read([text])

    assert str(refusal.value) == message
    assert CANARY not in str(refusal.value)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(TYPES), st.text(max_size=12) | st.from_regex(r"-?[0-9_.eE+ ]{1,8}", fullmatch=True))
def test_any_text_is_read_or_refused(kind: str, text: str) -> None:
    """Nothing but `Refused` comes out of reading, and what is read has its declared type and a finite value."""
    try:
        value = declared(type=kind).read([text])
    except Refused as refusal:
        problem = str(refusal)
    else:
        problem = ""
        assert type(value) in {"integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,)}.get(kind, (str,))
        assert value not in (float("inf"), float("-inf"))

    assert problem in ("", f"should be {'an' if kind == 'integer' else 'a'} {kind}")


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean"])
def test_a_repeated_input_is_refused(kind: str) -> None:
    """One that is no array is given once: two programs would choose different ones."""
    with pytest.raises(Refused, match=r"^is given more than once$"):
        declared(type=kind).read(["1", "1"])


def test_an_array_collects_what_is_repeated() -> None:
    """A repeated parameter, one with commas, or both."""
    assert declared(type="array").read(["a,b", "c"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("where", "words", "expected"),
    [
        ("query", {}, None),
        ("query", {"default": "x"}, "x"),
        ("query", {"type": "integer", "default": 0}, 0),
        ("query", {"type": "boolean", "default": False}, False),
        ("query", {"type": "array", "default": ["a"]}, ["a"]),
        ("query", {"type": "integer", "default": 5, "required": True}, 5),
        ("header", {"type": "number", "default": 1.5}, 1.5),
    ],
)
def test_an_absent_input_has_its_default(where: Any, words: dict[str, Any], expected: Any) -> None:
    """Without a default it is absent, which is null."""
    one = declared(where, **words)

    assert one.read([]) == expected
    assert not one.required


@pytest.mark.parametrize(("where", "words"), [("query", {"required": True}), ("header", {"required": True}), ("path", {})])
def test_a_required_input_must_be_given(where: Any, words: dict[str, Any]) -> None:
    """What is required is refused when it is absent; a path input always is."""
    one = declared(where, **words)

    assert one.required
    with pytest.raises(Refused, match=r"^is required$"):
        one.read([])


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"type": "string", "minimum": 1}, "'minimum' has no meaning for a string"),
        ({"type": "boolean", "maximum": 1}, "'maximum' has no meaning for a boolean"),
        ({"type": "array", "maximum": 1}, "'maximum' has no meaning for an array"),
        ({"type": "integer", "minLength": 1}, "'minLength' has no meaning for an integer"),
        ({"type": "number", "pattern": "a"}, "'pattern' has no meaning for a number"),
        ({"type": "array", "enum": ("a",)}, "'enum' has no meaning for an array"),
        ({"type": "boolean", "enum": (1,)}, "'enum' has no meaning for a boolean"),
        ({"enum": ()}, "'enum' is empty, so that nothing fits"),
        ({"type": "integer", "enum": ("a",)}, "'enum' has 'a', which does not fit the other words"),
        ({"type": "integer", "enum": (1, 1.5)}, "'enum' has 1.5, which does not fit the other words"),
        ({"type": "integer", "enum": (1, 100), "maximum": 50}, "'enum' has 100, which does not fit the other words"),
        ({"enum": ("a", "bb"), "maxLength": 1}, "'enum' has 'bb', which does not fit the other words"),
        ({"type": "integer", "minimum": 5, "maximum": 1}, "'minimum' is above 'maximum', so that nothing fits"),
        ({"minLength": 5, "maxLength": 1}, "'minLength' is above 'maxLength', so that nothing fits"),
        ({"type": "integer", "minimum": float("nan")}, "a bound is a number, and a finite one"),
        ({"type": "number", "maximum": float("inf")}, "a bound is a number, and a finite one"),
        ({"type": "integer", "default": True}, "the default input should be a valid integer"),
        ({"type": "integer", "default": "5"}, "the default input should be a valid integer"),
        ({"type": "integer", "default": 5.0}, "the default input should be a valid integer"),
        ({"type": "integer", "default": 9, "maximum": 5}, "the default input should be less than or equal to 5"),
        ({"type": "integer", "enum": (1,), "default": True}, "the default input should be a valid integer"),
        ({"type": "number", "default": True}, "the default input should be a valid integer"),
        ({"type": "boolean", "default": 1}, "the default input should be a valid boolean"),
        ({"type": "array", "default": "a"}, "the default input should be a valid list"),
        ({"type": "array", "default": [1]}, "the default input should be a valid string"),
        ({"default": "x", "pattern": "y"}, "the default string should match pattern '^(?:y)$'"),
        ({"pattern": "(?=a)"}, "'pattern' is not a regular expression that runs in linear time"),
        ({"pattern": r"(a)\1"}, "'pattern' is not a regular expression that runs in linear time"),
        ({"pattern": "("}, "'pattern' is not a regular expression that runs in linear time"),
        ({"pattern": "(a{1000}){1000}"}, "'pattern' is not a regular expression that runs in linear time"),
    ],
)
def test_words_that_contradict_each_other_are_a_config_error(words: dict[str, Any], complaint: str) -> None:
    """What can never mean anything is said when the config is read."""
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}"):
        declared(**words)


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|aa)+", "(a*)*b", "(.*,)*x", "([a-zA-Z]+)*"])
def test_a_pattern_takes_linear_time(pattern: str) -> None:
    """What would keep a backtracking engine busy for years is refused in no time."""
    one = declared(pattern=pattern)
    started = time.perf_counter()

    with pytest.raises(Refused):
        one.read(["a" * 50_000 + "!"])
    assert time.perf_counter() - started < 5


def test_values_come_back_by_their_place() -> None:
    """Path, query and headers each have their values: those declared with their type, the others as they came."""
    inputs = [make_input("id", "path", {"type": "integer"}), make_input("limit", "query", {"type": "integer", "default": 5})]

    values, problems = read_inputs(
        inputs, {"id": "7"}, {"tag": ["a", "b"], "q": ["x"]}, {"accept": ["text/html"], "x-a": ["1", "2"]}
    )

    assert problems == []
    assert values == {
        "path": {"id": 7},
        "query": {"tag": ["a", "b"], "q": "x", "limit": 5},
        "headers": {"accept": "text/html", "x-a": ["1", "2"]},
    }
    assert values["headers"].get("X_A") == ["1", "2"]


def test_every_problem_is_reported_at_once() -> None:
    """Each input that does not fit is named, and no message has its value."""
    inputs = [
        make_input("id", "path", {"type": "integer"}),
        make_input("limit", "query", {"type": "integer"}),
        make_input("tenant", "header", {"required": True}),
        make_input("fine", "query", {"default": "x"}),
    ]

    values, problems = read_inputs(inputs, {"id": CANARY}, {"limit": [CANARY, CANARY]}, {})

    assert problems == [
        Misfit("path", "id", "should be an integer"),
        Misfit("query", "limit", "is given more than once"),
        Misfit("header", "tenant", "is required"),
    ]
    assert values["query"]["fine"] == "x"


def test_an_input_reads_from_its_config(compiled: Callable[..., Plan]) -> None:
    """The words of the config are those of JSON Schema, and stand in the input's schema as written."""
    plan = compiled("""
        path: /v1/{id}
        inputs:
          limit: {in: query, type: integer, minimum: 1, maximum: 50, default: 5, description: How many}
          sort: {in: query, enum: [asc, desc]}
        steps:
          user: {get: "users /users/{path.id}"}
    """)

    limit = next(one for one in plan.inputs if one.name == "limit")
    assert limit.schema == {"type": "integer", "minimum": 1, "maximum": 50, "default": 5}
    assert limit.description == "How many"
    assert [(one.name, one.where, one.required) for one in plan.inputs] == [
        ("id", "path", True),
        ("limit", "query", False),
        ("sort", "query", False),
    ]


def test_a_contradiction_has_its_place_in_the_config(compiled: Callable[..., Plan]) -> None:
    """A word without a meaning is a finding like any other."""
    with pytest.raises(ConfigError, match=r"inputs\.limit: 'pattern' has no meaning for an integer"):
        compiled("""
            path: /v1
            inputs: {limit: {in: query, type: integer, pattern: a}}
            steps: {user: {get: users /users}}
        """)
