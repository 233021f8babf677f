"""Conditions: what a client has already, and which part of an answer it wants."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching.conditions import is_unmodified, part_asked

AT = 1_790_000_000.0

OLD, NEW = formatdate(AT - 100, usegmt=True), formatdate(AT + 100, usegmt=True)


@pytest.mark.parametrize(
    ("answer", "asked", "unmodified"),
    [
        pytest.param({"etag": '"7"'}, {}, False, id="no condition"),
        pytest.param({"etag": '"7"'}, {"if-none-match": '"7"'}, True, id="the same"),
        pytest.param({"etag": '"7"'}, {"if-none-match": '"8"'}, False, id="another"),
        pytest.param({"etag": '"7"'}, {"if-none-match": '"5", "6" , W/"7"'}, True, id="one of them"),
        pytest.param({"etag": 'W/"7"'}, {"if-none-match": '"7"'}, True, id="weakly"),
        pytest.param({"etag": '"a,b"'}, {"if-none-match": '"a,b"'}, True, id="with a comma"),
        pytest.param({"etag": '"b"'}, {"if-none-match": '"a,"b",c"'}, False, id="torn"),
        pytest.param({}, {"if-none-match": "*"}, True, id="any"),
        pytest.param({}, {"if-none-match": '"7"'}, False, id="no tag"),
        pytest.param(
            {"etag": '"7"', "last-modified": NEW}, {"if-none-match": '"7"', "if-modified-since": OLD}, True, id="tag first"
        ),
        pytest.param(
            {"etag": '"7"', "last-modified": OLD}, {"if-none-match": '"8"', "if-modified-since": NEW}, False, id="tag alone"
        ),
        pytest.param({"last-modified": OLD}, {"if-modified-since": OLD}, True, id="not since"),
        pytest.param({"last-modified": OLD}, {"if-modified-since": NEW}, True, id="longer ago"),
        pytest.param({"last-modified": NEW}, {"if-modified-since": OLD}, False, id="since"),
        pytest.param({}, {"if-modified-since": NEW}, True, id="made before"),
        pytest.param({"date": NEW}, {"if-modified-since": OLD}, False, id="made since"),
        pytest.param({"last-modified": OLD}, {"if-modified-since": "soon"}, False, id="no date"),
    ],
)
def test_a_client_keeps_what_it_has(answer: dict[str, str], asked: dict[str, str], unmodified: bool) -> None:
    """By its tags, or where it has none by its date (RFC 9110, section 13.2.2)."""
    assert is_unmodified(tuple(answer.items()), tuple(asked.items()), AT) is unmodified


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-1", (0, 2)), ("bytes=1-", (1, 10)), ("bytes=-1", (9, 10)), ("bytes=-99", (0, 10)), ("bytes=5-99", (5, 10)),
        ("Bytes=0-0", (0, 1)), ("bytes=10-", None), ("bytes=-0", None), ("bytes=5-4", None), ("bytes=0-1,3-4", None), ("lines=0-1", None),
        ("bytes=-", None), ("bytes=a-b", None), ("", None),
    ],
)  # fmt: skip
def test_a_part_is_asked_for_by_its_bytes(text: str, part: tuple[int, int] | None) -> None:
    """One part that is there; else the whole is sent (RFC 9110, section 14.2)."""
    assert part_asked((), 10, (("range", text),)) == part


@pytest.mark.parametrize(
    ("condition", "is_part"),
    [('"7"', True), ('W/"7"', False), ('"8"', False), (OLD, True), (NEW, False)],
)
def test_a_part_of_another_answer_is_no_part(condition: str, is_part: bool) -> None:
    """Who has half of what was before gets all of what is now (RFC 9110, section 13.1.5)."""
    answer = (("etag", '"7"'), ("last-modified", OLD))

    assert (part_asked(answer, 10, (("range", "bytes=0-1"), ("if-range", condition))) is not None) == is_part


def test_what_is_the_same_only_in_meaning_has_no_parts_in_common() -> None:
    """A weak tag is good for a 304, and never for a part (RFC 9110, section 13.1.5)."""
    answer = (("etag", 'W/"7"'),)

    assert is_unmodified(answer, (("if-none-match", 'W/"7"'),), AT)
    assert part_asked(answer, 10, (("range", "bytes=0-1"), ("if-range", 'W/"7"'))) is None


@given(st.integers(0, 100), st.text(max_size=20))
def test_a_part_is_within_the_whole(size: int, text: str) -> None:
    """Whatever is asked for."""
    part = part_asked((), size, (("range", f"bytes={text}"),))

    assert part is None or 0 <= part[0] < part[1] <= size
