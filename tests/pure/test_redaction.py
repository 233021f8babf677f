"""What is not to be seen: values that are known, what follows a name that says so, credentials in a URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.finding import Piece, Source
from gateway.redaction import Redaction, is_secret_name, put_in_place

NAMES = (
    "Authorization",
    "proxy-authorization",
    "Set-Cookie",
    "cookie",
    "access_token",
    "X-Api-Key",
    "apikey",
    "DB_PASSWORD",
    "client-secret",
)


@pytest.mark.parametrize("name", [*NAMES, "passphrase", "private_key", "X-Amz-Signature", "credentials"])
def test_a_name_may_say_that_its_value_is_secret(name: str) -> None:
    """In whatever case, and as a part of a longer one."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["user", "key", "monkey", "route", "gateway.cache.key", "author", "pass", "sku"])
def test_most_names_say_nothing(name: str) -> None:
    """A key is what things are found by, most of the time."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Authorization: Bearer abc.def", "Authorization: …"),
        ("cookie: a=b; c=d", "cookie: …"),
        ("{'Set-Cookie': 'sid=1; Path=/', 'x': 1}", "{'Set-Cookie': '…', 'x': 1}"),
        ("[(b'authorization', b'Bearer x'), (b'a', b'b')]", "[(b'authorization', b'…'), (b'a', b'b')]"),
        ('{"password":"hunter2","a":1}', '{"password":"…","a":1}'),
        ("GET /a?access_token=abc&x=1 HTTP/1.1", "GET /a?access_token=…&x=1 HTTP/1.1"),
        ("dict(token='abc', a=1)", "dict(token='…', a=1)"),
        ("http://u:p@h/a?x=1", "http://…@h/a?x=1"),
        ("redis://:p%40@h:6379/0", "redis://…@h:6379/0"),
        ("812 spans lost: http://127.0.0.1:4318: [Errno 111]", "812 spans lost: http://127.0.0.1:4318: [Errno 111]"),
        ("a token that nobody has; mail a@b.test", "a token that nobody has; mail a@b.test"),
        ("monkey=1: of key: 2", "monkey=1: of key: 2"),
    ],
)
def test_what_follows_such_a_name_is_hidden(text: str, seen: str) -> None:
    """As a header, in a query, in JSON and as Python prints it; and credentials in a URL. Everything else stays."""
    assert Redaction().text(text) == seen


@pytest.mark.parametrize("part", ["a-", "token-", "token ", "token:", "'token', ", "apiapi"])
def test_what_is_almost_a_name_costs_no_more_than_its_length(part: str) -> None:
    """Anybody may send it, as a `User-Agent` say. Looked at from each of its places to each of its ends, the first of these takes minutes."""
    text = "=" + part * (60_000 // len(part))

    assert len(Redaction().text(text)) <= len(text)


def test_a_known_value_is_shown_as_it_was_written() -> None:
    """Wherever it stands, percent-encoded too; of two the longer one. What is short is a common word."""
    redaction = Redaction({"s3cret/value": "${KEY}", "s3cret/value/more": "${MORE}", "short": "${S}"})

    seen = redaction.text("a s3cret/value/more b xs3cret/valuex c s3cret%2Fvalue d short")

    assert seen == "a ${MORE} b x${KEY}x c ${KEY} d short"


def test_values_are_looked_for_at_any_depth() -> None:
    """And names where they are fields."""
    redaction = Redaction({"s3cret-value": "${KEY}"})
    value = {"a": ["s3cret-value", 1, None], "token": {"b": "c"}, "n": {"api_key": 3, "of": "x"}}

    assert redaction.texts(value) == {"a": ["${KEY}", 1, None], "token": {"b": "c"}, "n": {"api_key": 3, "of": "x"}}
    assert redaction.fields(value) == {"a": ["${KEY}", 1, None], "token": "…", "n": {"api_key": "…", "of": "x"}}


@given(st.text(max_size=40), st.text(min_size=8, max_size=20), st.text(max_size=40))
def test_no_known_value_is_left(before: str, secret: str, after: str) -> None:
    """Whatever it is made of, and whatever stands around it."""
    seen = put_in_place(before + secret + after, {secret: "\x00"})

    assert seen.count("\x00") >= 1
    assert secret not in seen


@pytest.mark.parametrize(
    ("path", "text", "written", "secret"),
    [
        (("upstreams", "a", "headers", "X"), "s3cret-value", "${X}", "s3cret-value"),
        (("endpoints", 0, "steps", "a", "query", "q"), "s3cret-value", "${X}", "s3cret-value"),
        (("endpoints", 0, "steps", "a", "body", "b", 1), "s3cret-value", "${X}", "s3cret-value"),
        (("cache", "redis", "url"), "s3cret-value", "${REDIS_PASSWORD}", "s3cret-value"),
        (("upstreams", "a", "url"), "s3cret-value", "${SHOP_KEY}", "s3cret-value"),
        (("upstreams", "a", "url"), "s3cret-value", "${file:/run/x}", "s3cret-value"),
        (("upstreams", "a", "openapi"), "http://u:s3cret-pass@h/", "${DOC}", "s3cret-pass"),
        (("upstreams", "a", "openapi"), "http://h/?x=s3cret", "${DOC}", "x=s3cret"),
        (("upstreams", "a", "url"), "http://users.internal:8080", "${USERS_URL}", None),
        (("upstreams", "a", "url"), "http://[users", "${USERS_URL}", None),
        (("upstreams", "a", "timeout"), "500ms", "${T}", None),
        (("upstreams", "a", "headers", "X"), "application/json", "${X:-application/json}", None),
    ],
)
def test_a_config_knows_which_of_its_values_are_secret(
    path: tuple[str | int, ...], text: str, written: str, secret: str | None
) -> None:
    """What is sent, what is named so, what comes from a file and what a URL hides; not where something is, nor what the file itself has."""
    source = Source("gateway.yaml", outside={path: (Piece("Bearer "), Piece(text, written))})

    assert source.secrets() == ({secret: written} if secret else {})
