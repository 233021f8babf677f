"""What stands before the body of an answer: a 2xx, and fields that stay fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer.head import LONGEST, Head
from gateway.expressions.reference import Fields, parse_expression, parse_template


def lines(text: str, **scope: Any) -> tuple[list[tuple[bytes, bytes]], dict[str, str]]:
    """The lines of one field, and what is missing."""
    missing: dict[str, str] = {}
    return Head(200, (("x-a", parse_template(text)),)).lines(scope, missing), missing


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (201, 201),
        (299, 299),
        (200, 200),
        (None, 200),
        (199, 200),
        (304, 200),
        (500, 200),
        ("201", 200),
        (True, 200),
        ([201], 200),
        (201.0, 200),
    ],
    ids=repr,
)
def test_the_status_is_a_2xx_whatever_the_reference_gives(value: Any, status: int) -> None:
    """In place of anything else is 200."""
    assert Head(parse_expression("a")).code({"a": value}) == status


def test_a_status_that_does_not_fit_is_200() -> None:
    """An expression that cannot be read costs no answer."""
    assert Head(parse_expression("sum(a)")).code({"a": ["x"]}) == 200


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("a", [b"a"]),
        (" é\t", ["é".encode()]),
        (5, [b"5"]),
        (True, [b"true"]),
        (None, []),
        ([], []),
        (["a=1; Path=/", None, "b=2"], [b"a=1; Path=/", b"b=2"]),
    ],
    ids=repr,
)
def test_a_field_has_a_line_for_each_value(value: Any, texts: list[bytes]) -> None:
    """What is absent is left out, and that is no mistake."""
    assert lines("{a}", a=value) == ([(b"x-a", text) for text in texts], {})


@pytest.mark.parametrize(
    "value",
    ["a\r\nSet-Cookie: x", "a\nb", "a\x00", ["ok", "a\rb"], {}, [{}], "\ud800", "x" * LONGEST, [""] * 1_000, float("nan")],
    ids=lambda value: repr(value)[:20],
)
def test_a_value_that_would_not_stay_one_field_is_missing(value: Any) -> None:
    """No line of it is sent, and the answer says so."""
    made, missing = lines("{a}", a=value)

    assert (made, list(missing)) == ([], ["headers.x-a"])


@given(st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3))
def test_no_text_gets_out_of_its_field(value: Any) -> None:
    """Whatever is in it, a line has no line break."""
    for _, text in lines("{a}", a=value)[0]:
        assert not {*text} & {*range(9), *range(10, 32), 127}


def test_what_a_reply_repeats_is_a_list() -> None:
    """One line is text; several are the list of their values, in order."""
    fields = Fields.of([("set-cookie", "a=1"), ("etag", "x"), ("set-cookie", "b=2"), ("set-cookie", "c=3")])

    assert fields.get("set_cookie") == ["a=1", "b=2", "c=3"]
    assert fields.get("etag") == "x"
