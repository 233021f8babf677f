"""A value from outside the file is shown nowhere: not in a finding, not in a print of anything that holds it."""

from __future__ import annotations

import re

import pytest

from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.finding import Piece, Source
from gateway.load import load_text

SECRETS = {
    "word": "c4nary7secret",
    "braces": "c4nary{user.name}7secret",
    "unclosed": "c4nary{7secret",
    "quotes": "c4nary'7\"`secret",
    "lines": "c4nary\n7secret\r\nc4nary",
    "spaces": " c4nary 7secret /../ ",
    "dotted": "c4nary.7secret",
    "slashes": "/c4nary/7secret",
    "url": "http://c4nary:7secret@host/c4nary?7secret",
    "pattern": "(c4nary[7secret",
    "long": "c4nary" * 400,
}

CONFIG = """
version: 1
answer: { errors: "§" }
upstreams:
  good: { url: http://good, headers: { X-Key: "Bearer §" } }
  host: { url: "http://§" }
  prefix: { url: "http://good/§/api" }
  user: { url: "http://§:x@good" }
  bad:
    url: "§"
    timeout: "§"
    max_reply: "§"
    headers: { "X Y": "§", Host: "§", X-Good: "§" }
    forward: { headers: ["§"], query: ["§"] }
    retry: { attempts: "§", backoff: "§" }
    cache: { ttl: "§" }
    unknown: "§"
endpoints:
  - path: "§"
    method: "§"
    summary: "§"
    timeout: "§"
    inputs: { a: { in: "§", type: "§" } }
    steps: { a: { get: good / } }
  - path: "/§"
    steps: { a: { get: good / } }
  - path: "/§"
    steps: { a: { get: good / } }
  - path: /inputs
    inputs:
      enum: { in: query, enum: ["§"], default: other }
      both: { in: query, type: integer, enum: ["§", "x§"] }
      default: { in: query, type: integer, default: "§" }
      least: { in: query, type: integer, minimum: "§" }
      pattern: { in: query, pattern: "§", default: "§" }
    steps: { a: { get: good / } }
  - path: /steps
    steps:
      target: { get: "good /§" }
      upstream: { get: "§" }
      needs: { get: good /, needs: ["§", "x§"] }
      when: { get: good /, when: "§" }
      part: { get: good /, when: "query.a == '§'" }
      select: { get: good /, select: "§" }
      query: { get: good /, query: { a: "{§}", b: "§", c: ["{query.x || '§'}"] } }
      headers: { get: good /, headers: { "A B": "§", Host: "§", X-A: "{§", X-B: "{nobody} §" } }
      body: { post: good /, body: { a: "§", b: "{§}", c: "{nobody.§}" } }
      status: { get: good /, on_status: { 404: "§", 405: "{§}", nope: "§" }, accept: ["§"] }
      fallback: { get: good /, fallback: "§" }
      optional: { get: good /, optional: "§", fallback: "{§}" }
      policies: { get: good /, retry: "§", cache: "§", timeout: "§", forward: "§" }
      step: "§"
    response:
      a: "§"
      b: ["{a: §}", "nobody.§", "'§'"]
"""

RIGHT = """
version: 1
upstreams:
  good: { url: http://host, headers: { X-Key: "Bearer §" } }
endpoints:
  - path: /a
    summary: "§"
    inputs: { a: { in: query, default: "§", description: "§" }, b: { in: query, enum: ["§"] } }
    steps:
      a:
        post: good /
        query: { a: "§", b: "{query.x} §" }
        headers: { X-A: "§ {query.x}" }
        body: { a: "§" }
        on_status: { 404: "§", 405: skip }
        optional: true
        fallback: { a: "§ {query.y}" }
"""


def shows(text: str) -> list[str]:
    """Parts of the secret that stand in the text."""
    return re.findall("c4nary|7secret", text)


@pytest.fixture(params=["variable", "file"])
def put_in(request, tmp_path):
    """Puts a secret in every place marked `§`: by a variable, or by a file."""

    def put(config: str, secret: str) -> tuple[str, dict[str, str]]:
        file = tmp_path / "key"
        file.write_bytes(secret.encode())
        return config.replace("§", "${CANARY}" if request.param == "variable" else f"${{file:{file}}}"), {"CANARY": secret}

    return put


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_finding_shows_a_secret(put_in, secret):
    """Whatever is wrong with it and wherever it stands, a finding shows how it was written, never what it is."""
    config, environ = put_in(CONFIG, secret)

    loaded = load_text(config, "gateway.yaml", environ)
    with pytest.raises(ConfigError) as caught:
        compile_plans(loaded)

    assert len(caught.value.findings) > 30
    for text in (str(caught.value), repr(caught.value), repr(caught.value.findings), repr(loaded), repr(loaded.source)):
        assert shows(text) == []
    assert shows(repr(loaded.spec) + str(loaded.spec)) == []


@pytest.mark.parametrize("secret", [SECRETS[name] for name in ("word", "braces", "quotes", "dotted")])
def test_nothing_that_is_made_of_a_right_config_shows_a_secret(put_in, secret):
    """Specs and plans end up in logs and tracebacks."""
    config, environ = put_in(RIGHT, secret)

    loaded = load_text(config, "gateway.yaml", environ)
    (plan,) = compile_plans(loaded)

    (step,) = plan.steps
    recipe = step.recipe
    for thing in (loaded, loaded.source, loaded.spec, plan, step, recipe.upstream, recipe.target, recipe.policies, plan.shape):
        assert shows(repr(thing) + str(thing)) == []
    assert dict(recipe.headers)["x-a"].parts[0] == f"{secret} "


def test_path_of_an_upstream_is_not_in_its_print(compiled):
    """Some services are given their key in the path."""
    (plan,) = compiled(
        "version: 1\nupstreams: {a: {url: 'http://a/${KEY}'}}\nendpoints: [{path: /, steps: {a: {get: a /}}}]", {"KEY": "c4nary"}
    )

    assert plan.steps[0].recipe.upstream.prefix == "/c4nary"
    assert shows(repr(plan) + str(plan)) == []


def redacted(text: str, *pieces: Piece, path: tuple[str | int, ...] = ("a",)) -> str:
    """The text as a finding at `path` shows it when the value at `a` is made of these pieces."""
    return Source("gateway.yaml", outside={("a",): pieces}).redact(text, path)


@pytest.mark.parametrize("short", ["s", "a", "should", ""])
def test_short_value_does_not_garble_other_words(short):
    """A variable may have the value `s`; only where it is quoted as a whole it is what is meant."""
    came = redacted(f"should be a list, not {short!r}", Piece(short, "${S}"))

    assert came == "should be a list, not '${S}'"


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("unknown step 'x-s3cretive'", "unknown step 'x-${S}'"),
        ("not s3cretive at all", "not ${S} at all"),
        ("ends-with-s3cretive", "ends-with-${S}"),
        ("secretive", "secretive"),
    ],
)
def test_long_value_is_replaced_wherever_it_stands(text, came):
    assert redacted(text, Piece("x-"), Piece("s3cretive", "${S}")) == came


def test_value_of_several_lines_is_replaced_as_python_quotes_it():
    """A key file has line breaks, which a quoting message shows as escapes."""
    key = "-----BEGIN\nline\n-----END"

    assert redacted(f"should be {key!r}", Piece(key, "${file:/key}")) == "should be '${file:/key}'"


@pytest.mark.parametrize(
    ("path", "came"),
    [((), "'${S}'"), (("a",), "'${S}'"), (("a", "b"), "'user'"), (("b",), "'user'")],
)
def test_value_is_replaced_in_findings_about_it_or_what_is_around_it(path, came):
    """A step named like some password is still shown by its name."""
    assert redacted("'user'", Piece("user", "${S}"), path=path) == came


def test_longer_value_is_replaced_before_one_that_it_contains():
    source = Source(
        "gateway.yaml", outside={("a",): (Piece("password", "${SHORT}"),), ("b",): (Piece("password-and-more", "${LONG}"),)}
    )

    assert source.redact("password-and-more, password") == "${LONG}, ${SHORT}"


def test_written_form_is_not_read_again():
    """A variable may have its own name for a value, or one with a backslash."""
    assert redacted("PASSWORD", Piece("PASSWORD", r"${PASSWORD:-\1}")) == r"${PASSWORD:-\1}"
