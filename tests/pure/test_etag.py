"""What an answer is known by, and who has it already."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer.etag import etag_of, has_it

TAG = etag_of(b"{}")


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_the_same_bytes_have_the_same_tag_and_no_others(one: bytes, other: bytes) -> None:
    """A strong tag: quoted, and what differs in a byte is another answer."""
    assert (etag_of(one) == etag_of(other)) == (one == other)
    assert re.fullmatch(rb'"[0-9a-f]{32}"', etag_of(one))


def test_a_tag_is_the_same_in_every_process() -> None:
    """A client may come back to another worker, or after a restart."""
    assert TAG == b'"44136fa355b3678a1146ad16f7e8649e"'


@pytest.mark.parametrize(
    ("lines", "has"),
    [
        ([TAG], True),
        ([b"W/" + TAG], True),
        ([b'"a", ' + TAG], True),
        ([b'"a,b"', b'"c" ,\tW/' + TAG + b' , "d"'], True),
        ([b"*"], True),
        ([b" * "], True),
        ([], False),
        ([b""], False),
        ([b'"*"'], False),
        ([b'"' + TAG.strip(b'"').upper() + b'"'], False),
        ([TAG.strip(b'"')], False),
        ([b'"x' + TAG[1:]], False),
        ([b'"a\xff", "b'], False),
    ],
)
def test_who_has_it_is_asked_weakly(lines: list[bytes], has: bool) -> None:
    """Any tag of the list, weak or strong, or a star (RFC 9110, section 13.1.2); what is no tag is nobody's."""
    assert has_it(TAG, lines) is has


def test_a_weak_tag_of_the_config_is_recognised() -> None:
    """An endpoint may give its answers tags of its own."""
    assert has_it(b'W/"7"', [b'"7"'])
    assert has_it(b'W/"7"', [b'W/"6", W/"7"'])


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_no_condition_is_too_strange(lines: list[bytes]) -> None:
    """Whatever a client sends, there is an answer to it; and only who names the tag has it."""
    opaque = TAG in b"".join(lines) or any(line.strip() == b"*" for line in lines)

    assert not has_it(TAG, lines) or opaque
