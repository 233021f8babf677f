"""What the upstreams of the bench say."""

import json

import pytest

from bench.data import KIB, body, value


@pytest.mark.parametrize(("target", "size"), [("/user/{}", KIB), ("/part17/{}", KIB), ("/large/orders/{}", 100 * KIB)])
def test_a_reply_has_its_size_whatever_the_id(target, size):
    """The load knows the length of a right answer before it asks."""
    replies = [body(target.format(number)) for number in range(100_000, 100_005)]

    assert {len(reply) for reply in replies} == {size}
    assert len(set(replies)) == len(replies)


def test_a_reply_names_what_was_asked_for():
    """An answer in the wrong hands can be told from the right one."""
    user = value("/user/100042")

    assert (user["id"], user["kind"]) == (100_042, "user")


def test_a_segment_has_its_own_recommendations():
    """A dependent chain cannot guess the second reply."""
    replies = [json.loads(body(f"/for/{segment}")) for segment in ("bronze", "silver", "golden")]

    assert [reply["segment"] for reply in replies] == ["bronze", "silver", "golden"]


@pytest.mark.parametrize("target", ["/", "/user/", "/user/abc", "/for/nobody", "/large/user"])
def test_what_nobody_has_is_not_found(target):
    """A peer that asks for the wrong thing gets nothing right."""
    assert body(target) is None
