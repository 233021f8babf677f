"""A step and the values at hand → the call: whatever a value holds, it stays where the config put it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.caching import NOWHERE, Place
from gateway.call import Call, Expectation
from gateway.errors import Unrendered
from gateway.formats import SPLICED
from gateway.plan import Plan
from gateway.render import LONGEST_TARGET

CANARY = "c4n4ry"

EVIL = [
    "..",
    ".",
    "../../admin",
    "%2e%2e",
    "%2e%2e/%2e%2e/admin",
    "http://evil.test/x",
    "//evil.test/x",
    "a/../../x?y=1#frag",
    "a%2Fb",
    "a%5Cb",
    "\\\\evil",
    "a?admin=1",
    "a#x",
    "a;jsessionid=1",
    "@evil.test/",
    "x@y",
    "\r\nX: y",
    "a\x00b",
    "%00",
    "\x7f",
    "%C0%AE",
    "%u002e",
    "．．",
    "a b",
    "a+b",
    "é",
    "\ud800",
    "x" * 9_000,
    "/" * 9_000,
    "",
]

scalars = st.text(max_size=20) | st.sampled_from(EVIL) | st.integers() | st.booleans() | st.floats(allow_nan=True)
values = scalars | st.none() | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=3), scalars, max_size=2)

Compiled = Callable[..., Plan]
Rendered = Callable[..., Call]


def evil_examples(test: Any) -> Any:
    """Run the test with every bad value that is known by name, besides those that are found."""
    for value in EVIL:
        test = example(value)(test)
    return test


def as_json_text(value: Any) -> str:
    """A scalar as it looks inside a text."""
    return value if isinstance(value, str) else json.dumps(value)


def step(compiled: Compiled, text: str, **endpoint: str) -> Plan:
    """A plan with one step in it, and one before it that may be named."""
    path = endpoint.get("path", "/v1/{id}/{name}")
    upstream = endpoint.get("upstream", "{url: 'http://users.test/api'}")
    return compiled(
        f"path: {path}\nmethod: {endpoint.get('method', 'GET')}\nsteps:\n  user: {{get: users /users}}\n  it: {text}", upstream
    )


@pytest.fixture(scope="session")
def between(compiled: Compiled) -> Plan:
    """A value between other text: the path that is hardest to hold."""
    return step(compiled, "{get: 'users /items/v-{user.id}.x/{user.name}/end'}")


@evil_examples
@settings(deadline=None, max_examples=300)
@given(values)
def test_a_value_never_leaves_its_segment(between: Plan, rendered: Rendered, value: Any) -> None:
    """The path keeps its literal parts and its number of segments, and each segment decodes to the value that was put there."""
    try:
        call = rendered(between, user={"id": value, "name": value})
    except Unrendered:
        return

    parts = urlsplit("http://users.test:80" + call.target)
    segments = call.target.split("/")
    assert (parts.netloc, parts.path, parts.query, parts.fragment) == ("users.test:80", call.target, "", "")
    assert segments[:3] == ["", "api", "items"]
    assert segments[5:] == ["end"]
    assert [unquote(segment) for segment in segments[3:5]] == [f"v-{as_json_text(value)}.x", as_json_text(value)]
    assert not {".", ".."} & {unquote(segment) for segment in segments}
    assert re.fullmatch(r"[!-~]*", call.target)


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("42", "/api/users/42"),
        (42, "/api/users/42"),
        (10**30, f"/api/users/{10**30}"),
        (1.5, "/api/users/1.5"),
        (True, "/api/users/true"),
        ("a/b", "/api/users/a%2Fb"),
        ("a?b=c#d", "/api/users/a%3Fb%3Dc%23d"),
        ("%2e%2e", "/api/users/%252e%252e"),
        ("...", "/api/users/..."),
        ("http://evil.test", "/api/users/http%3A%2F%2Fevil.test"),
        ("a\\b", "/api/users/a%5Cb"),
        ("x@y;z,~", "/api/users/x%40y%3Bz%2C~"),
        ("é．", "/api/users/%C3%A9%EF%BC%8E"),
        ("a b+c", "/api/users/a%20b%2Bc"),
        ("x" * 9_000, "/api/users/" + "x" * 9_000),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_in_a_path_is_one_encoded_segment(compiled: Compiled, rendered: Rendered, value: Any, target: str) -> None:
    """Everything but letters, digits and `-._~` is percent-encoded."""
    plan = step(compiled, "{get: 'users /users/{user.id}'}")

    assert rendered(plan, user={"id": value}).target == target


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "user.id is absent or empty"),
        ("", "user.id is absent or empty"),
        ([1], "user.id is not a single value of plain text"),
        ({}, "user.id: an object or null has no form as text"),
        (float("inf"), "user.id: a number out of all bounds has no form as text"),
        ("a\nb", "user.id is not a single value of plain text"),
        ("a\x00", "user.id is not a single value of plain text"),
        ("\x7f", "user.id is not a single value of plain text"),
        ("..", "user.id would make a dot segment"),
        (".", "user.id would make a dot segment"),
        ("\ud800", "a value has half a surrogate pair in it"),
        ("é" * 9_000, f"the target would be longer than {LONGEST_TARGET} bytes"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_value_that_is_no_segment_is_unrendered(compiled: Compiled, rendered: Rendered, value: Any, complaint: str) -> None:
    """The step fails before anything is sent, and the message has the reference, not the value."""
    plan = step(compiled, "{get: 'users /users/{user.id}'}")

    with pytest.raises(Unrendered) as refusal:
        rendered(plan, user={"id": value})

    assert str(refusal.value) == complaint
    assert refusal.value.by_client is False


def test_a_number_that_is_none_is_unrendered(compiled: Compiled, rendered: Rendered) -> None:
    """`to_number` can give what is no number; it goes nowhere."""
    plan = step(compiled, "{get: 'users /users/{to_number(user.id)}', query: {a: '{to_number(user.id)}'}}")

    with pytest.raises(Unrendered):
        rendered(plan, user={"id": "nan"})


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/users/{user.a}{user.b}/x", {"a": ".", "b": "."}),
        ("/users/.{user.a}/x", {"a": "."}),
        ("/users/%2e{user.a}/x", {"a": "."}),
        ("/users/{user.a}%2E/x", {"a": "."}),
    ],
)
def test_no_dot_segment_is_made_of_two_halves(compiled: Compiled, rendered: Rendered, path: str, values: dict[str, str]) -> None:
    """Two references, or a reference and the config's own text, are looked at together, encoded dots included."""
    plan = step(compiled, f"{{get: 'users {path}'}}")

    with pytest.raises(Unrendered, match="would make a dot segment"):
        rendered(plan, user=values)


@pytest.mark.parametrize(
    ("text", "by_client"),
    [
        ("{get: 'users /x/{path.id}'}", True),
        ("{get: 'users /x/{query.id}'}", True),
        ("{get: 'users /x/{headers.id}'}", True),
        ("{get: 'users /x/{query.id || headers.id}'}", True),
        ("{get: 'users /x/{query.id || user.id}'}", False),
        ("{get: 'users /x/{user.id}'}", False),
        ("{get: 'users /x/{steps.user.headers.etag}'}", False),
        ("{get: \"users /x/{''}\"}", False),
        ("{get: users /x, query: {q: '{path.id}{sum(query.id)}'}}", True),
        ("{get: users /x, query: {q: '{sum(user.id)}'}}", False),
        ("{get: users /x, headers: {q: 'a{sum(query.id)}'}}", True),
        ("{get: users /x, headers: {q: \"{'a\x01'}\"}}", False),
    ],
)
def test_whose_fault_an_unusable_value_is(compiled: Compiled, rendered: Rendered, text: str, by_client: bool) -> None:
    """It is the request's fault when everything the reference names was the client's to give; what names nothing is not."""
    with pytest.raises(Unrendered) as refusal:
        rendered(step(compiled, text.replace("\x01", "\\u0001")), path={"id": ""}, query={"id": ""}, user={"id": ""})

    assert refusal.value.by_client is by_client


@pytest.mark.parametrize(
    ("text", "body", "detail"),
    [
        ("{post: 'users /secret/{body.id}'}", {"id": ".."}, "body.id would make a dot segment"),
        ("{post: 'users /secret/{body.id}'}", {"id": f"{CANARY}\n"}, "body.id is not a single value of plain text"),
        ("{post: 'users /secret?secret={body.id}'}", {"id": {CANARY: 1}}, "body.id: an object or null has no form as text"),
        ("{post: users /, query: {secret: ['{body.id}']}}", {"id": {CANARY: 1}}, "body.id: an object or null has no form as text"),
        ("{post: users /, headers: {secret: '{body.id}'}}", {"id": {CANARY: 1}}, "body.id has no form as a header"),
        ("{post: users /, headers: {secret: 'x{body.id}'}}", {"id": f"{CANARY}\n"}, "body.id would put a control character into a header"),
        ("{post: 'users /secret?secret={sum(body.id)}'}", {"id": CANARY}, "'sum(body.id)' does not fit the values at hand"),
        ("{post: 'users /secret?secret={body.id}'}", {"id": CANARY * 4_000}, "the target would be longer than 16384 bytes"),
    ],
)  # fmt: skip
def test_what_a_client_may_read_names_the_reference_only(
    compiled: Compiled, rendered: Rendered, text: str, body: Any, detail: str
) -> None:
    """The message of a client's own fault is sent to it: it has neither the value nor a name that only the upstream knows."""
    with pytest.raises(Unrendered) as refusal:
        rendered(step(compiled, text, method="POST"), body=body)

    assert refusal.value.by_client
    assert str(refusal.value) == detail


@evil_examples
@settings(deadline=None, max_examples=300)
@given(scalars)
def test_a_value_never_leaves_its_query_parameter(compiled: Compiled, rendered: Rendered, value: Any) -> None:
    """The query has the names of the config, in their order, and each value decodes to what was put there."""
    plan = step(compiled, "{get: 'users /q?first={user.id}', query: {'na me&': '{user.id}', last: 'x-{user.id}'}}")
    try:
        query = urlsplit(rendered(plan, user={"id": value}).target).query
    except Unrendered:
        return

    text = as_json_text(value)
    assert parse_qsl(query, keep_blank_values=True) == [("first", text), ("na me&", text), ("last", f"x-{text}")]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.integers() | st.booleans(), max_size=4))
def test_a_list_in_a_query_can_be_read_back(compiled: Compiled, rendered: Rendered, elements: list[Any]) -> None:
    """Elements stand between commas, each encoded, so that a comma inside one is told from one between two."""
    plan = step(compiled, "{get: 'users /q?ids={user.ids}'}")

    target = rendered(plan, user={"ids": elements}).target

    assert [unquote(one) for one in target.removeprefix("/api/q?ids=").split(",")] == (
        [as_json_text(one) for one in elements] or [""]
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("{get: 'users /q?a={user.id}&b=2'}", "/api/q?a=7&b=2"),
        ("{get: 'users /q', query: {a: '{user.id}', b: 2, c: true, d: x}}", "/api/q?a=7&b=2&c=true&d=x"),
        ("{get: 'users /q', query: {a: '{user.none}', b: 'x-{user.none}', c: null, d: 1}}", "/api/q?d=1"),
        ("{get: 'users /q?a={user.none}'}", "/api/q"),
        ("{get: 'users /q', query: {a: ['{user.id}', '{user.none}', 'b,c']}}", "/api/q?a=7&a=b%2Cc"),
        ("{get: 'users /q', query: {a: '{user.tags}'}}", "/api/q?a=x,y%2Cz"),
        ("{get: 'users /q', query: {a: '-{user.tags}'}}", "/api/q?a=-x%2Cy%2Cz"),
        ("{get: 'users /q', query: {a: ['{user.tags}']}}", "/api/q?a=x&a=y%2Cz"),
        ("{get: 'users /q', query: {a: ['{user.tags[0]}', '{user.tags[1]}']}}", "/api/q?a=x&a=y%2Cz"),
        ("{get: 'users /q?a=1', query: {a: 2}}", "/api/q?a=1&a=2"),
        ("{get: 'users /q?a={user.tags[?@ != `\"=&\"`]}&b=1'}", "/api/q?a=x,y%2Cz&b=1"),
        ("{get: 'users /q?a=%20x&b'}", "/api/q?a=%20x&b="),
        ("{get: 'users /q/{{x}}?a={{?}}{user.id}&b=1'}", "/api/q/%7Bx%7D?a=%7B%3F%7D7&b=1"),
    ],
)
def test_a_query_is_what_the_config_says(compiled: Compiled, rendered: Rendered, text: str, target: str) -> None:
    """The target's own parameters come first; an absent value is left out, a list written as a list is repeated."""
    assert rendered(step(compiled, text), user={"id": 7, "none": None, "tags": ["x", "y,z"]}).target == target


FORWARDING = "{get: users /q, forward: {headers: [X-Tenant, Accept-Language], query: [lang, tag, limit]}}"


def test_nothing_of_the_client_goes_along_unless_named(compiled: Compiled, rendered: Rendered) -> None:
    """Default deny: a call has the gateway's own headers and no query."""
    client = {"headers": {"authorization": CANARY, "cookie": CANARY, "x-tenant": CANARY}, "query": {"lang": CANARY}}

    call = rendered(step(compiled, "{get: users /q}"), **client)

    assert call.target == "/api/q"
    assert call.headers == (("accept", "application/json"),)


def test_what_forward_names_goes_along(compiled: Compiled, rendered: Rendered) -> None:
    """Named headers and parameters are passed on, repeated as they came; what the client does not give is left out."""
    query = {"tag": ["a,b", "c&d"], "limit": 5, "other": CANARY}
    headers = {"x-tenant": "t1", "accept-language": ["de", "en;q=0.5"], "cookie": CANARY}

    call = rendered(step(compiled, FORWARDING), query=query, headers=headers)

    assert call.target == "/api/q?tag=a%2Cb&tag=c%26d&limit=5"
    assert dict(call.headers) == {"accept": "application/json", "accept-language": "de, en;q=0.5", "x-tenant": "t1"}


def test_an_upstream_may_forward_for_all_its_steps(compiled: Compiled, rendered: Rendered) -> None:
    """What the upstream names and what the step names go along together."""
    upstream = (
        "{url: 'http://users.test', headers: {X-Key: k, X-Who: gateway}, forward: {headers: [x-who, x-tenant], query: [lang]}}"
    )
    plan = step(compiled, "{get: users /q, forward: {query: [tag]}}", upstream=upstream)

    call = rendered(plan, query={"lang": "de", "tag": "a"}, headers={"x-who": "client", "x-tenant": "t1"})

    assert call.target == "/q?lang=de&tag=a"
    assert dict(call.headers) == {"accept": "application/json", "x-key": "k", "x-who": "gateway", "x-tenant": "t1"}


def test_the_step_has_the_last_word_on_a_header(compiled: Compiled, rendered: Rendered) -> None:
    """A header of the step wins over the upstream's, which wins over the client's; an absent value leaves it out."""
    upstream = "{url: 'http://users.test', headers: {X-Who: gateway, X-Else: gateway}}"
    text = "{get: users /q, headers: {X-Who: 'user-{user.id}', X-Else: '{user.none}', Accept: text/xml, X-Tags: '{user.tags}'}}"

    call = rendered(step(compiled, text, upstream=upstream), user={"id": 7, "tags": ["a", 1]})

    assert call.headers == (("accept", "text/xml"), ("x-else", "gateway"), ("x-tags", "a,1"), ("x-who", "user-7"))


def test_a_header_has_no_blanks_around_it(compiled: Compiled, rendered: Rendered) -> None:
    """They are not part of a value, and no server would see them."""
    call = rendered(step(compiled, "{get: users /q, headers: {X-One: '{user.id}'}}"), user={"id": " \ta b "})

    assert dict(call.headers)["x-one"] == "a b"


@evil_examples
@settings(deadline=None, max_examples=300)
@given(values)
def test_a_header_never_gets_a_line_break(compiled: Compiled, rendered: Rendered, value: Any) -> None:
    """A value in a header is one line of text that can be encoded, or the step fails before anything is sent."""
    text = "{get: users /q, headers: {X-One: '{user.id}', X-Two: 'a {user.id} b'}, forward: {headers: [x-three]}}"
    try:
        call = rendered(step(compiled, text), user={"id": value}, headers={"x-three": value} if isinstance(value, str) else {})
    except Unrendered:
        return

    for name, text in call.headers:
        assert name in ("accept", "x-one", "x-two", "x-three")
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text)
        assert text.encode().decode() == text


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\x00", "\x1b[2J", "\x7f", "\ud800"], ids=ascii)
@pytest.mark.parametrize("place", ["headers: {X-A: '{headers.x_a}'}", "forward: {headers: [X-A]}"], ids=["header", "forward"])
def test_a_header_that_is_no_line_of_text_is_the_clients_fault(
    compiled: Compiled, rendered: Rendered, place: str, value: str
) -> None:
    """Control characters never reach an upstream's head, wherever they come from."""
    with pytest.raises(Unrendered) as refusal:
        rendered(step(compiled, f"{{get: users /q, {place}}}"), headers={"x-a": value})

    assert refusal.value.by_client
    assert re.match(r"headers\.x.a (would put a control character into|has no form as) a header", str(refusal.value))


def test_a_tab_in_a_header_is_legitimate(compiled: Compiled, rendered: Rendered) -> None:
    """RFC 9110 allows a tab inside a value, as it does a space."""
    call = rendered(step(compiled, FORWARDING), headers={"x-tenant": "a\tb"})

    assert dict(call.headers)["x-tenant"] == "a\tb"


def test_a_body_keeps_types_and_order(compiled: Compiled, rendered: Rendered) -> None:
    """A reference alone gives its value with its type; big integers keep their digits, and members their order."""
    text = "{post: users /q, body: {z: '{user}', id: 'u-{user.id}', list: [1, '{user.id}', '{user.none}'], deep: {no: false}}}"

    call = rendered(step(compiled, text), user={"id": 10**30, "b": 1.5, "a": "é\x00", "none": None})

    assert call.body.decode() == (
        f'{{"z":{{"id":{10**30},"b":1.5,"a":"é\\u0000","none":null}},"id":"u-{10**30}","list":[1,{10**30},null],"deep":{{"no":false}}}}'
    )
    assert dict(call.headers)["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("text", "value", "body"),
    [
        ("{post: users /q, body: '{user.id}'}", 5, b"5"),
        ("{post: users /q, body: '{user.id}'}", None, b"null"),
        ("{post: users /q, body: ''}", None, b'""'),
        ("{post: users /q, body: {}}", None, b"{}"),
        ("{post: users /q, body: ['{to_number(user.id)}']}", "nan", b"[null]"),
        ("{post: users /q}", None, b""),
    ],
)
def test_a_body_is_always_json(compiled: Compiled, rendered: Rendered, text: str, value: Any, body: bytes) -> None:
    """Whatever is written is sent as JSON, and what is no number is null; without `body` nothing is sent."""
    call = rendered(step(compiled, text), user={"id": value})

    assert call.body == body
    assert ("content-type" in dict(call.headers)) is bool(body)


@evil_examples
@settings(deadline=None)
@given(values)
def test_a_body_is_json_or_unrendered(compiled: Compiled, rendered: Rendered, value: Any) -> None:
    """No value makes a body that a strict parser refuses; half a surrogate pair makes none."""
    plan = step(compiled, "{post: users /q, body: {a: '{user.id}'}}")

    if re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False)):
        with pytest.raises(Unrendered, match="the body has a value that JSON has no form for"):
            rendered(plan, user={"id": value})
    else:
        body = rendered(plan, user={"id": value}).body
        json.loads(body, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_a_call_has_everything_decided(compiled: Compiled, rendered: Rendered) -> None:
    """What the layers below need stands in the call, and the template in it has no values."""
    text = "{put: 'users /users/{path.id}?x={path.id}', timeout: 300ms, accept: [200, 404], on_status: {410: skip}, body: 1}"

    call = rendered(step(compiled, text), path={"id": "7"})

    assert (call.upstream, call.method, call.target, call.template) == ("users", "PUT", "/api/users/7?x=7", "/users/{path.id}")
    assert (call.timeout, call.deadline, call.attempt) == (0.3, 10.0, 1)
    assert call.expects == Expectation(frozenset({200, 404}), frozenset({410}), format=SPLICED)
    assert CANARY not in repr(call)


# -- where its reply is kept -------------------------------------------------------------------------------------------

KEYED = "{get: 'users /users', cache: {key: '{path.id}-{query.x}', tags: ['user-{path.id}', 'x-{query.x}', all]}}"


def test_a_call_says_what_its_reply_is_kept_and_purged_by(compiled: Compiled, rendered: Rendered) -> None:
    """Key and tags are rendered with the call; a tag whose value is absent is left out."""
    plan = step(compiled, KEYED.replace("{path.id}-{query.x}", "{path.id}"))

    place = rendered(plan, path={"id": 7}).place

    assert place == Place(named=("7",), tags=("user-7", "all"))


def test_a_call_that_says_nothing_of_it_costs_nothing(compiled: Compiled, rendered: Rendered) -> None:
    """Without a key and tags there is no place to be made."""
    assert rendered(step(compiled, "{get: 'users /users', cache: {ttl: 1s}}")).place is None


@given(one=st.tuples(st.text(), st.text()), other=st.tuples(st.text(), st.text()))
@example(one=("a", "b-c"), other=("a-b", "c"))
def test_no_value_of_a_key_passes_for_two(compiled: Compiled, rendered: Rendered, one: Any, other: Any) -> None:
    """Two clients have the same key only when every value in it is the same, whatever stands between them."""
    plan = step(compiled, KEYED)

    places = [rendered(plan, path={"id": id}, query={"x": x}).place for id, x in (one, other)]

    assert (places[0] == places[1]) == (one == other or places == [NOWHERE, NOWHERE])


@pytest.mark.parametrize(
    "value", [None, "", {"a": 1}, float("inf"), "x" * 252], ids=["absent", "empty", "object", "inf", "long tag"]
)
def test_a_key_without_a_value_keeps_nothing(compiled: Compiled, rendered: Rendered, value: Any) -> None:
    """The call is made all the same: that it cannot be kept is no fault of it."""
    assert rendered(step(compiled, KEYED), path={"id": value}, query={"x": "1"}).place is NOWHERE
