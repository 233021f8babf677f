"""Expressions: which names they read, what they give, and what is refused."""

from __future__ import annotations

import warnings
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.expressions.reference import (
    LONGEST,
    BadExpression,
    Expression,
    Fields,
    Structure,
    Template,
    Unresolved,
    as_text,
    did_you_mean,
    parse_expression,
    parse_structure,
    parse_template,
)

CANARY = "c4n4ry"

names = st.sampled_from(["a", "b", "user", "id", "x_1"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("user", ["user"]),
        ("user.name", ["user.name"]),
        ("user.address.city", ["user.address.city"]),
        ('"user"', ["user"]),
        ('headers."x-tenant"', ["headers.x-tenant"]),
        ("(user)", ["user"]),
        ("(user.address).city", ["user.address.city"]),
        ("orders[0]", ["orders"]),
        ("orders[-1].id", ["orders"]),
        ("orders[0][1]", ["orders"]),
        ("query.ids[0]", ["query.ids"]),
        ("query.ids[0].x", ["query.ids"]),
        ("query.ids[1:3]", ["query.ids"]),
        ("query.ids[*]", ["query.ids"]),
        ("query.ids[]", ["query.ids"]),
        ("query.ids[?@ != 'x'] | [0]", ["query.ids"]),
        ("user.phones[0].number.prefix", ["user.phones"]),
        ("orders[1:2]", ["orders"]),
        ("orders[::-1].id", ["orders"]),
        ("orders[].items[].sku", ["orders"]),
        ("orders[*].id", ["orders"]),
        ("orders.*.id", ["orders"]),
        ("orders[?total > `5`].id", ["orders"]),
        ("orders[?user == path.id]", ["orders"]),  # a filter reads from the element, never from the scope
        ("orders[?@.total]", ["orders"]),
        ("orders | [0]", ["orders"]),
        ("orders[] | length(@)", ["orders"]),
        ("user | name", ["user"]),
        ("(user | address).city", ["user"]),
        ("length(orders)", ["orders"]),
        ("sort_by(orders, &total)", ["orders"]),
        ("map(&sku, products)", ["products"]),
        ("max_by(orders, &to_number(total)).id", ["orders"]),
        ("orders.length(@)", ["orders"]),
        ("merge(user, {orders: orders})", ["user", "orders"]),
        ("join(',', query.ids)", ["query.ids"]),
        ("[user.id, path.id]", ["user.id", "path.id"]),
        ("{id: user.id, all: orders[].id}", ["user.id", "orders"]),
        ("user.{id: id, name: name}", ["user"]),
        ("user.[id, name]", ["user"]),
        ("query.limit || `5`", ["query.limit"]),
        ("user.id && !(query.all)", ["user.id", "query.all"]),
        ("!user", ["user"]),
        ("!orders[0]", ["orders"]),
        ("orders[?!paid].id", ["orders"]),
        ("orders[?!contains(@, 'x')]", ["orders"]),
        ("!user | [@]", ["user"]),
        ("user.id == path.id", ["user.id", "path.id"]),
        ("user.id || user.id", ["user.id"]),
        ("not_null(a, b, 'c')", ["a", "b"]),
        ("'user.id'", []),
        ('`{"user": 1}`', []),
        ("`5`", []),
        ("@", ["@"]),
        ("@.user", ["@"]),
        ("[].sku", ["@"]),
        ("[0]", ["@"]),
        ("*.id", ["@"]),
        ("length(@)", ["@"]),
        ("{first: [0], count: length(@)}", ["@"]),
    ],
)
def test_an_expression_knows_the_names_it_reads(text: str, reads: list[str]) -> None:
    """What stands in the scope is named, with the plain fields behind it; what is read from a part's own result is not."""
    assert [".".join(name) for name in parse_expression(text).names] == reads


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a JMESPath expression"),
        ("user.", "not a JMESPath expression"),
        ("user[", "it ends too early"),
        ("user..name", "unexpected '.' at character 6"),
        ("user name", "unexpected 'name' at character 6"),
        ("user.name!", "not a JMESPath expression"),
        ("$.user", "unexpected '$' at character 1"),
        ("'user", 'unexpected "\'user" at character 1'),
        ("lenght(user)", "unknown function lenght(); did you mean 'length'?"),
        ("orders[].frobnicate(@)", "unknown function frobnicate()"),
        ("&user", "'&' stands only before an argument of a function"),
        ("{all: &user}", "'&' stands only before an argument of a function"),
        ("orders | &id", "'&' stands only before an argument of a function"),
        ("!user.blocked", "write !(user.blocked)"),
        ("user && !user.blocked", "write !(user.blocked)"),
        ("!orders[?total]", "write !(user.blocked)"),
        ("!orders.*", "write !(user.blocked)"),
        ("`user`", "what stands between backticks is JSON"),
        ("`{'a': 1}`", "what stands between backticks is JSON"),
        ("a" * (LONGEST + 1), f"longer than {LONGEST} characters"),
        ("(" * 900 + "a" + ")" * 900, "nested too deeply"),
        ("!" * 1900 + "a", "nested too deeply"),
        ("[" * 900 + "a" + "]" * 900, "nested too deeply"),
        ("a" + "[?b" * 490 + "]" * 490, "nested too deeply"),
    ],
)
def test_what_is_no_expression_is_refused_with_a_reason(text: str, complaint: str) -> None:
    """Whatever is wrong with an expression is said when the config is read."""
    with pytest.raises(BadExpression) as refusal:
        parse_expression(text)

    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="ab.[]()*?&|!@#'\"`{}:,<>=- \\019\ud800é", max_size=25))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    """Nothing but `BadExpression` ever comes out of parsing, and a text that was refused once is refused again."""
    kinds = []
    for _ in range(2):
        try:
            kinds.append(type(parse_expression(text)))
        except BadExpression:
            kinds.append(BadExpression)

    assert kinds in ([Expression] * 2, [BadExpression] * 2)


@settings(deadline=None)
@given(st.dictionaries(names, json_values, max_size=4), st.lists(names, min_size=1, max_size=4))
def test_a_plain_path_gives_what_jmespath_gives(scope: dict[str, Any], path: list[str]) -> None:
    """The short way through plain fields is only faster."""
    text = ".".join(path)

    assert parse_expression(text)(scope) == jmespath.search(text, scope)


@settings(deadline=None)
@given(json_values)
def test_an_expression_may_read_the_value_itself(value: Any) -> None:
    """`@` gives everything: a step's `select` reads a reply's own body, whatever it is."""
    assert parse_expression("@")(value) is value
    assert parse_expression("[@]")(value) == (None if value is None else [value])


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("sum(a)", {"a": [CANARY]}),
        ("length(a)", {"a": 5}),
        ("length(a, a)", {"a": CANARY}),
        ("abs(a)", {"a": CANARY}),
        ("sort(a)", {"a": [1, CANARY]}),
        ("join(a, a)", {"a": CANARY}),
        ("sort_by(a, &b)", {"a": [{"b": 1}, {"b": CANARY}]}),
        ("max_by(a, &b)", {"a": [{"b": [CANARY]}]}),
        ("a[::0]", {"a": [CANARY]}),
        ("avg(a)", {"a": [10**400, 1.5]}),
        ("keys(a)", {"a": CANARY}),
    ],
)
def test_values_that_do_not_fit_are_unresolved_and_not_quoted(text: str, scope: dict[str, Any]) -> None:
    """JMESPath's own errors quote the values; ours name the expression only."""
    with pytest.raises(Unresolved) as unresolved:
        parse_expression(text)(scope)

    assert str(unresolved.value) == f"{text!r} does not fit the values at hand"
    assert CANARY not in str(unresolved.value)


def test_values_nested_beyond_the_stack_are_unresolved() -> None:
    """Deep values are a failure of the expression, never a crash."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    scope = {"a": deep}

    with pytest.raises(Unresolved):
        parse_expression("to_string(a)")(scope)
    while deep:  # taken apart by hand: freeing it at once would need the stack too
        deep = deep.pop()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{user.id}", 7),
        ("{ user.id }", 7),
        ("{user.tags}", ["a", "b"]),
        ("{user.none}", None),
        ("{user.absent}", None),
        ("{user}", {"id": 7, "tags": ["a", "b"], "none": None, "big": 10**30, "ok": True}),
        ("u-{user.id}", "u-7"),
        ("{user.id}{user.id}", "77"),
        ("{user.ok}!", "true!"),
        ("{user.tags}!", "a,b!"),
        ("{user.big}!", f"{10**30}!"),
        ("u-{user.absent}", None),
        ("u-{user.none}", None),
        ("plain", "plain"),
        ("", ""),
        ("{{user.id}}", "{user.id}"),
        ("{{{user.id}}}", "{7}"),
        ("}}{{", "}{"),
        ("{user.absent || 'a}b'}", "a}b"),
        ("{user.absent || 'it\\'s}'}", "it's}"),
        ('{user."}" || user.id}', 7),
        ('{user.absent || `"}"`}', "}"),
        ("{ {x: user.id} }", {"x": 7}),
        ("{user.{x: id}}", {"x": 7}),
        ("{user.{x: id}.x}-{user.id}", "7-7"),
        ('{`{"a": {"b": 1}}`}', {"a": {"b": 1}}),
    ],
)
def test_a_template_keeps_types_and_makes_text(text: str, value: Any) -> None:
    """One reference alone gives its value; inside a longer text it is text, and what is absent makes the whole text absent."""
    scope = {"user": {"id": 7, "tags": ["a", "b"], "none": None, "big": 10**30, "ok": True}}

    assert parse_template(text)(scope) == value
    assert str(parse_template(text)) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{user", "the '{' at character 1 is never closed"),
        ("a{user.id", "the '{' at character 2 is never closed"),
        ("{user.{x: id}", "the '{' at character 1 is never closed"),
        ("{user.absent || 'a}", "is never closed"),
        ("{'a\\'}", "is never closed"),
        ("user}", "a '}' without its '{' at character 5; write '}}' for the brace itself"),
        ("{user.id}}", "a '}' without its '{' at character 10"),
        ("{}", "not a JMESPath expression"),
        ("{ }", "not a JMESPath expression"),
        ("{user id}", "unexpected 'id' at character 6"),
    ],
)
def test_a_template_with_a_brace_too_many_or_too_few_is_refused(text: str, complaint: str) -> None:
    """Where a brace has no partner is said, with how to write the brace itself."""
    with pytest.raises(BadExpression) as refusal:
        parse_template(text)

    assert complaint in str(refusal.value)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_can_be_written_with_doubled_braces(text: str) -> None:
    """Doubling its braces makes any text a template that gives just that text."""
    template = parse_template(text.replace("{", "{{").replace("}", "}}"))

    assert template({}) == text
    assert template.expressions == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        (5, "5"),
        (1.5, "1.5"),
        (1e22, "1e+22"),
        (True, "true"),
        (["a", 1, False], "a,1,false"),
        ([], ""),
        (-0.0, "-0.0"),
    ],
    ids=repr,
)
def test_a_value_in_a_text_is_written_as_in_json(value: Any, text: str) -> None:
    """Numbers and booleans look as in JSON; a list is its values between commas."""
    assert as_text(value) == text


@pytest.mark.parametrize(
    "value",
    [None, {"a": 1}, [None], ["a", {}], float("nan"), float("inf"), -float("inf"), 10**5000],
    ids=["null", "object", "list-with-null", "list-with-object", "nan", "inf", "minus-inf", "5001-digits"],
)
def test_a_value_without_a_form_as_text_is_unresolved(value: Any) -> None:
    """Nobody wants `NaN`, `null` or a printed object in a path."""
    with pytest.raises(Unresolved, match="has no form as text"):
        as_text(value)


def test_a_list_nested_beyond_the_stack_has_no_form_as_text() -> None:
    """It is not a crash."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]

    with pytest.raises(Unresolved, match="has no form as text"):
        as_text(deep)


@pytest.mark.parametrize("spelling", ["accept_language", "accept-language", "Accept-Language", "ACCEPT_LANGUAGE"])
@pytest.mark.parametrize("sent", ["accept-language", "Accept-Language", "accept_language"])
def test_a_header_is_found_in_any_spelling(sent: str, spelling: str) -> None:
    """Case does not matter, and an underscore may stand for the hyphen that would need quotes."""
    scope = {"headers": Fields([(sent, "de")])}

    assert parse_expression(f'headers."{spelling}"')(scope) == "de"
    assert parse_expression(f"headers.\"{spelling}\" || 'en'")(scope) == "de"


def test_a_header_that_is_absent_has_the_default() -> None:
    """`get` works as that of any mapping."""
    fields = Fields([("accept", "text/html")])

    assert fields.get("accept_language") is None
    assert fields.get("accept_language", "en") == "en"


def test_a_structure_is_filled_leaf_by_leaf() -> None:
    """What is not text is kept as it is; every string is a template, keys are not."""
    structure = parse_structure(
        {"{id}": ["{user.id}", 1, None, True], "b": {"c": "u-{user.id}"}}, lambda text, _: parse_template(text)
    )

    assert structure({"user": {"id": 7}}) == {"{id}": [7, 1, None, True], "b": {"c": "u-7"}}
    assert [str(expression) for expression in structure.expressions] == ["user.id", "user.id"]


def test_a_structure_of_expressions_says_where_each_leaf_stands() -> None:
    """Every string is parsed with its place, so that a mistake can be reported there."""
    trails: list[tuple[str | int, ...]] = []

    def leaf(text: str, trail: tuple[str | int, ...]) -> Expression:
        trails.append(trail)
        return parse_expression(text)

    structure = parse_structure({"a": ["x", {"b": "y"}], "c": "z"}, leaf)

    assert trails == [("a", 0), ("a", 1, "b"), ("c",)]
    assert structure({"x": 1, "y": 2, "z": 3}) == {"a": [1, {"b": 2}], "c": 3}


def test_a_leaf_that_was_reported_leaves_nothing() -> None:
    """`leaf` may report a mistake and give None, so that the next one is found too."""
    structure = parse_structure(["bad", "good"], lambda text, _: None if text == "bad" else parse_template(text))

    assert structure == Structure([None, Template("good", ("good",))])


@pytest.mark.parametrize(
    ("name", "hint"), [("usr", "; did you mean 'user'?"), ("orders", "; did you mean 'order'?"), ("zzz", ""), ("", "")]
)
def test_something_close_is_suggested(name: str, hint: str) -> None:
    """A typo gets the name that was probably meant; a name like nothing gets no guess."""
    assert did_you_mean(name, ["user", "order"]) == hint


def test_parsing_leaves_the_filters_for_warnings_alone() -> None:
    """Only while parsing is JMESPath's hint about bare text in backticks an error."""
    before = list(warnings.filters)

    parse_expression("`5`")

    assert warnings.filters == before
