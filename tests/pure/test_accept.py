"""Which of several media types a client wants most, and how events are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.decode import check_json
from gateway.inbound.accept import preferred
from gateway.inbound.events import EVENTS, LINES, Form, form_for, is_over

JSON, STREAM, JSONL = "application/json", "text/event-stream", "application/jsonl"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("*/*", JSON),
        ("text/html", JSON),
        ("text/event-stream", STREAM),
        ("Text/Event-Stream; charset=UTF-8", STREAM),
        ("text/*", STREAM),
        ("application/*", JSON),
        ("application/jsonl", JSONL),
        ("text/event-stream, */*", STREAM),
        ("application/json, text/event-stream", JSON),
        ("text/event-stream;q=0.4, application/json;q=0.5", JSON),
        ("text/event-stream;q=0.5, application/json;q=0.4", STREAM),
        ("text/event-stream;q=0.5, */*;q=0.1", STREAM),
        ("text/event-stream;q=0.1, */*", JSON),
        ("text/event-stream;q=0, application/*;q=0.1", JSON),
        ("text/event-stream;q=0", JSON),
        ("text/event-stream ; q=0.001", STREAM),
        ("application/jsonl;q=0.9,text/event-stream;q=0.8,application/json;q=0.7", JSONL),
        (",, ;q=1,/,text/event-stream", STREAM),
        ("", JSON),
        ("x/y," * 60 + "text/event-stream", JSON),
    ],
)
def test_the_highest_weight_decides(accept: str, wanted: str) -> None:
    """The most specific range counts for a type; of equal weights one that is named in full, then JSON, which is never refused."""
    assert preferred(accept, (JSON, STREAM, JSONL)) == wanted


@given(st.binary(max_size=60))
def test_no_accept_is_too_strange(accept: bytes) -> None:
    """Whatever a client sends, it gets an answer in one of the forms."""
    assert form_for([accept, b"text/event-stream", accept]) in (None, EVENTS, LINES)


def test_several_lines_are_one_list() -> None:
    """As with every field that is a list."""
    assert form_for([b"text/event-stream;q=0.5", b"application/jsonl"]) is LINES


def test_events_are_written_as_the_standard_says() -> None:
    """Name, id and one line of data, then an empty one."""
    assert EVENTS.write("part", "1", {"name": "a"}) == b'event: part\nid: 1\ndata: {"name":"a"}\n\n'
    assert LINES.write("part", "1", {"name": "a"}) == b'{"event":"part","name":"a"}\n'


values = st.recursive(
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize("form", [EVENTS, LINES])
@given(value=values, indent=st.sampled_from([None, 1, "\t"]), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_an_event_is_one_line_whatever_came(form: Form, value: object, indent: int | str | None, end: str) -> None:
    """A reply that is passed on as it came may have been laid out on many lines; what it says stays."""
    came = check_json(json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", end).encode())

    written = form.write("part", "1", {"value": came})

    *before, line = written.rstrip(b"\n").split(b"\n")
    assert len(before) == (2 if form is EVENTS else 0)
    assert b"\r" not in written
    assert json.loads(line.removeprefix(b"data: "))["value"] == value


def test_a_client_that_has_had_the_last_event_is_told_from_others() -> None:
    """By the one id that it says it has seen."""
    assert is_over([b"end"])
    assert not any(map(is_over, ([], [b"1"], [b"end", b"end"])))
