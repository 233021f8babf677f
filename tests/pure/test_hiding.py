"""What may be shown of bodies, addresses and configs: everything but secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.formats.hiding import hide_in_body, hide_in_form, hide_in_json, hide_in_target
from gateway.redaction import HIDDEN, is_secret_name

CANARY = "canary-4711"

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", 'na"me', "x:y", "ü\n"]), below, max_size=3)
    ),
    max_leaves=8,
)
secret = st.sampled_from([CANARY, [CANARY], {"a": {"b": [1, CANARY]}, "c": CANARY}])
documents = st.dictionaries(st.sampled_from(["id", "user"]), plain).flatmap(
    lambda own: secret.map(lambda value: {**own, "access_token": value, "list": [{"X-Api-Key": value}], "end": "of it"})
)


@pytest.mark.parametrize(
    "name", ["Authorization", "set-cookie", "accessToken", "client_secret", "password", "X-Api-Key", "apikey"]
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    """However it is written."""
    assert is_secret_name(name)
    assert not is_secret_name("user")


@settings(deadline=None)
@given(documents, st.sampled_from([None, 1]), st.booleans(), st.integers(0, 400))
def test_no_beginning_of_a_document_has_its_secrets(document: Any, indent: int | None, ascii_only: bool, cut: int) -> None:
    """Wherever it was broken off; whole, it is still JSON, and all else is in it."""
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)

    shown = hide_in_json(text)

    assert CANARY not in hide_in_json(text[:cut])
    assert json.loads(shown) == {**document, "access_token": HIDDEN, "list": [{"X-Api-Key": HIDDEN}]}


@settings(deadline=None)
@given(plain, st.integers(0, 100))
def test_what_has_no_secrets_stays_as_it_is(document: Any, cut: int) -> None:
    """To the letter, as far as it goes."""
    text = json.dumps(document)[: cut or None]

    assert hide_in_json(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"to\\u006ben": "x", "a": 1}', '{"to\\u006ben": "…", "a": 1}'),
        ('{"token" : -1.5e3}', '{"token" : "…"}'),
        ('{"a": "token", "b": ["token", 1]}', '{"a": "token", "b": ["token", 1]}'),
        ('{"token": "abc', '{"token": "…"'),
        ('{"token": {"a": "b', '{"token": "…"'),
        ('{"id": 1}\n{"password": "x"}\n', '{"id": 1}\n{"password": "…"}\n'),
        ('{"said": "it was canary-4711"}', '{"said": "it was ${KEY}"}'),
        ('{"said": "canary\\u002d4711"}', '{"said": "…"}'),
        ("]}{[", "]}{["),
    ],
)
def test_secrets_are_left_out_of_json(text: str, shown: str) -> None:
    """By the names of members, and by what they are."""
    assert hide_in_json(text, lambda one: one.replace(CANARY, "${KEY}")) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user=42&token=abc&flag&secret=", "user=42&token=…&flag&secret="),
        ("q=canary%2D4711&r=1", "q=…&r=1"),
        ("", ""),
    ],
)
def test_secrets_are_left_out_of_forms_and_addresses(text: str, shown: str) -> None:
    """By the names of parameters, and by what they are, however it is encoded."""

    def hide(one: str) -> str:
        return one.replace(CANARY, "${KEY}")

    assert hide_in_form(text, hide) == shown
    assert hide_in_target(f"/a/b?{text}", hide) == f"/a/b?{shown}"
    assert hide_in_target("/a/b") == "/a/b"


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("application/json; charset=utf-8", '{"token": 1}', '{"token": "…"}'),
        ("application/problem+json", '{"token": 1}', '{"token": "…"}'),
        ("", '[{"token": 1}]', '[{"token": "…"}]'),
        ("application/x-www-form-urlencoded", "token=1", "token=…"),
        ("text/html", "<p>token: 1", None),
        ("", "token: 1", None),
        ("", "", None),
    ],
)
def test_a_body_is_shown_where_it_can_be_told_what_in_it_is_secret_name(kind: str, text: str, shown: str | None) -> None:
    """Nothing else is."""
    assert hide_in_body(kind, text) == shown
