"""What the print of a plan does not show."""

from __future__ import annotations

import pytest

UPSTREAM = "{ url: http://a/api/, headers: { X-Key: k }, forward: { headers: [Accept-Language, X-A], query: [lang] } }"


@pytest.fixture
def step(compiled):
    """Compiles one step of an endpoint with a second step `b`."""

    def compile_step(written: str):
        (plan,) = compiled(
            f"version: 1\nupstreams: {{ a: {UPSTREAM} }}\nendpoints:\n  - path: /{{id}}\n    method: POST\n"
            f"    steps:\n      a: {{ {written} }}\n      b: {{ get: a /b }}\n"
        )
        return plan.steps[0].recipe

    return compile_step


def test_step_forwards_what_its_upstream_and_it_itself_name(step):
    """Nothing else goes along; a field is a field in any spelling."""
    a = step("get: a /a, forward: { headers: [x-a, X-B], query: [lang, page] }")

    assert a.forward_headers == ("accept-language", "x-a", "x-b")
    assert a.forward_query == ("lang", "page")


def test_upstream_keeps_its_path_apart(step):
    """A step's own path follows the upstream's, without a second slash between them."""
    upstream = step("get: a /a").upstream

    assert (upstream.url, upstream.prefix, dict(upstream.headers)) == ("http://a", "/api", {"x-key": "k"})


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("", []),
        ("a=b", [("a", "b")]),
        ("a", [("a", "")]),
        ("a=", [("a", "")]),
        ("a=1&a=2", [("a", "1"), ("a", "2")]),
        ("a=b=c", [("a", "b=c")]),
        ("a%20b=c%20d", [("a%20b", "c d")]),
        ("a=x%20{path.id}%7D", [("a", "x 7}")]),
        ("a=%7Bpath.id%7D", [("a", "{path.id}")]),
        ("a={path.id}&b={b[?c == '&'] | [0].d}", [("a", 7), ("b", "e")]),
        ("a={{path.id}}", [("a", "{path.id}")]),
    ],
)
def test_query_in_a_target_is_read_as_a_url_would_be(step, query, pairs):
    """Percent-encoding of values is undone; a reference may have any character; an encoded brace begins none."""
    a = step(f'get: "a /a?{query}"')

    scope = {"path": {"id": 7}, "b": [{"c": "&", "d": "e"}]}
    assert [(name, value(scope)) for name, value in a.target.query] == pairs


def test_skip_is_a_meaning_of_its_own(step):
    """`skip` skips; any other value stands in for the reply."""
    a = step("get: a /a, on_status: { 404: skip, 410: [skip], 411: null }")

    assert a.on_status[404] == "skip"
    assert a.on_status[410]({}) == ["skip"]
    assert a.on_status[411]({}) is None


def test_inputs_are_those_of_the_path_those_declared_and_those_read(compiled):
    """What a reference reads is an input, declared or not; a header is one in any spelling."""
    (plan,) = compiled(
        """
version: 1
upstreams: { a: { url: http://a } }
endpoints:
  - path: /{id}
    inputs: { X-Limit: { in: header, type: integer }, page: { in: query } }
    steps:
      a: { get: "a /{query.page}", headers: { A: "{headers.x_limit}", B: "{headers.etag}" } }
    response: { a: a, sort: query.sort }
"""
    )

    assert [(one.where, one.name, one.schema["type"]) for one in plan.inputs] == [
        ("path", "id", "string"),
        ("query", "page", "string"),
        ("header", "x-limit", "integer"),
        ("header", "etag", "string"),
        ("query", "sort", "string"),
    ]


@pytest.mark.parametrize(
    ("method", "member", "reads"), [("GET", "path.id", False), ("POST", "body.a", True), ("PUT", "body", True)]
)
def test_plan_says_whether_it_reads_the_body(compiled, method, member, reads):
    """What nobody uses need not be read."""
    (plan,) = compiled(
        "version: 1\nupstreams: {a: {url: http://a}}\n"
        f"endpoints: [{{path: '/{{id}}', method: {method}, steps: {{a: {{get: a /}}}}, response: {{m: {member}}}}}]"
    )

    assert plan.reads_body is reads


@pytest.mark.parametrize(
    ("path", "is_taken"),
    [
        ("/livez", True),
        ("/readyz", True),
        ("/docs", True),
        ("/docs/oauth2-redirect", True),
        ("/openapi.json", True),
        ("/livezone", False),
        ("/docsearch", False),
        ("/v1/docs", False),
    ],
)
def test_paths_of_the_gateway_itself_are_taken(findings, path, is_taken):
    """A path that merely begins with the same letters is free."""
    found = findings(
        f"version: 1\nupstreams: {{a: {{url: http://a}}}}\nendpoints:\n  - path: {path}\n    steps: {{a: {{get: a /}}}}"
    )

    assert [(one.path, one.place) for one in found] == ([("endpoints[0].path", (4, 11))] if is_taken else [])
    assert all(one.message.startswith("the gateway answers /livez, ") for one in found)
