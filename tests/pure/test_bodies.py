"""What a call carries, and what it says it is."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Unrendered
from gateway.expressions.reference import SENT

ENDPOINT = """
path: /notes/{id}
method: POST
steps:
  note: { post: users /notes, %s }
"""


@pytest.mark.parametrize(
    ("step", "body", "sent", "kind"),
    [
        ("body: '{body.a}'", {"a": [1]}, b"[1]", "application/json"),
        (
            "encode: form, body: { a: '{body.a}', b: 1, c: [x, '{body.c}'] }",
            {"a": "é &=+"},
            b"a=%C3%A9+%26%3D%2B&b=1&c=x",
            "form",
        ),
        ("encode: form, body: { 'a b': '{body.a}', c: '{body.c}' }", {"a": [1, None, True]}, b"a+b=1&a+b=true", "form"),
        ("encode: form, body: { a: '{body.a}' }", {}, b"", "form"),
        ("encode: text, body: 'for {path.id}: {body.a}'", {"a": 1.5}, b"for 7: 1.5", "text"),
        ("encode: text, body: '{body.a}', headers: { Content-Type: text/csv }", {"a": "é"}, "é".encode(), "text/csv"),
    ],
    ids=["json", "form", "list", "nothing", "text", "another type"],
)
def test_a_body_is_written_as_the_step_says(compiled: Any, rendered: Any, step: str, body: Any, sent: bytes, kind: str) -> None:
    """And says what it is; a header of the config has the last word."""
    named = {"form": "application/x-www-form-urlencoded", "text": "text/plain; charset=utf-8"}

    call = rendered(compiled(ENDPOINT % step), path={"id": "7"}, body=body)

    assert (call.body, dict(call.headers)["content-type"]) == (sent, named.get(kind, kind))


@pytest.mark.parametrize(
    "step",
    ["encode: form, body: { a: '{body.a}' }", "encode: text, body: '{body.a}'", "encode: text, body: 'x {body.none}'"],
    ids=["an object in a form", "an object in text", "no text"],
)
def test_a_value_without_a_form_is_not_sent(compiled: Any, rendered: Any, step: str) -> None:
    """The fault is the client's when the value was."""
    with pytest.raises(Unrendered) as caught:
        rendered(compiled(ENDPOINT % step), path={"id": "7"}, body={"a": {"s3cret": 1}})

    assert caught.value.by_client
    assert "s3cret" not in str(caught.value)


def test_half_a_surrogate_pair_is_not_sent(compiled: Any, rendered: Any) -> None:
    """It has no bytes."""
    for step in ("encode: form, body: { a: '{body}' }", "encode: text, body: '{body}'"):
        with pytest.raises(Unrendered):
            rendered(compiled(ENDPOINT % step), path={"id": "7"}, body="\ud800")


def test_the_clients_body_goes_on_with_what_says_how_to_read_it(compiled: Any, rendered: Any) -> None:
    """The bytes, their type and their coding; of other headers only those that are named."""
    plan = compiled(ENDPOINT % "forward: { body: true }")
    given = {"content-type": "image/png", "content-encoding": "gzip", "cookie": "a=1"}

    call = rendered(plan, path={"id": "7"}, headers=given, **{SENT: b"\x89PNG"})

    assert call.body == b"\x89PNG"
    assert dict(call.headers) == {"accept": "application/json", "content-encoding": "gzip", "content-type": "image/png"}
    assert (plan.takes_body, plan.reads_body) == (True, False)
