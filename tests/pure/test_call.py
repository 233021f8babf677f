"""The values of the first page: what a step takes for good, and what a reply tells."""

from __future__ import annotations

import pytest

from gateway.call import Expectation, Reply


@pytest.mark.parametrize(
    ("expects", "status", "takes"),
    [
        (Expectation(), 200, True),
        (Expectation(), 299, True),
        (Expectation(), 199, False),
        (Expectation(), 300, False),
        (Expectation(), 404, False),
        (Expectation(accept=frozenset({200, 404})), 404, True),
        (Expectation(accept=frozenset({200, 404})), 201, False),
        (Expectation(accept=frozenset()), 200, False),
        (Expectation(handled=frozenset({404})), 404, False),
        (Expectation(handled=frozenset({404})), 200, True),
    ],
)
def test_a_status_is_good_when_the_step_accepts_it(expects: Expectation, status: int, takes: bool) -> None:
    """Any 2xx unless the step says which; what `on_status` handles is no failure, and no value either."""
    assert expects.takes(status) is takes


def test_a_reply_gives_the_first_of_repeated_headers() -> None:
    """By the name in lower case; one that is absent is None."""
    reply = Reply(200, (("age", "1"), ("vary", "accept"), ("vary", "cookie")))

    assert (reply.header("vary"), reply.header("etag")) == ("accept", None)


def test_a_reply_prints_without_what_is_in_it() -> None:
    """Bodies and headers are a user's; logs have neither."""
    reply = Reply(200, (("set-cookie", "c4n4ry"),), b"c4n4ry", "c4n4ry", "hit")

    assert repr(reply) == "Reply(status=200, cache='hit')"
