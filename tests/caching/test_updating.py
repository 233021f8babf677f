"""Updating: how an entry is asked about, and what a 304 makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.caching import Entry
from gateway.caching.updating import freshened, updated, validators
from gateway.call import Call, Reply
from gateway.policy import CachePolicy

AT = 1_790_000_000.0

Keep = Callable[..., Entry]


@pytest.mark.parametrize(
    ("headers", "asking"),
    [
        pytest.param([("etag", 'W/"7"')], [("if-none-match", 'W/"7"')], id="tag"),
        pytest.param([("last-modified", "then")], [("if-modified-since", "then")], id="date"),
        pytest.param(
            [("last-modified", "then"), ("etag", '"7"')], [("if-none-match", '"7"'), ("if-modified-since", "then")], id="both"
        ),
        pytest.param([], [], id="none"),
    ],
)
def test_an_entry_is_asked_about_by_what_it_is_known_by(
    keep: Keep, headers: list[tuple[str, str]], asking: list[tuple[str, str]]
) -> None:
    """Its tag and its date, as they came (RFC 9111, section 4.3.1)."""
    assert list(validators(keep(*headers, ("cache-control", "max-age=60")))) == asking


@pytest.mark.parametrize(
    "name",
    [
        "content-length", "content-encoding", "content-range", "content-digest", "repr-digest", "etag", "connection",
        "transfer-encoding",
    ],
)  # fmt: skip
def test_what_the_body_is_does_not_change(keep: Keep, name: str) -> None:
    """A 304 has none, and says nothing of the one that is kept (RFC 9111, section 3.2)."""
    kept = keep(("cache-control", "max-age=60"), *([] if name in ("connection", "transfer-encoding") else [(name, "old")]))

    assert updated(kept, [(name, "new")]).header(name) != "new"


def test_a_304_replaces_whole_fields(keep: Keep) -> None:
    """All lines of a name that it has; those that it does not have stay."""
    kept = keep(("a", "1"), ("b", "1"), ("b", "2"), ("cache-control", "max-age=60"))

    reply = updated(kept, [("b", "3"), ("c", "4")])

    assert list(reply.headers) == [("a", "1"), ("cache-control", "max-age=60"), ("b", "3"), ("c", "4")]
    assert (reply.status, reply.body) == (200, b"{}")


def test_an_entry_is_as_new_after_a_304(keep: Keep, make_call: Callable[..., Call]) -> None:
    """Its time counts from when it was asked about, and is the one that the 304 says (RFC 9111, section 4.3.4)."""
    kept = keep(("cache-control", "max-age=60"), ("age", "30"), ("etag", '"7"'))

    fresh = freshened(kept, Reply(304, (("cache-control", "max-age=10"),)), CachePolicy(), make_call(), AT + 100)
    same = freshened(kept, Reply(304), CachePolicy(), make_call(), AT + 100)

    assert fresh is not None
    assert (fresh.at, fresh.lifetime, fresh.age, fresh.status, fresh.body) == (AT + 100, 10, 0, 200, b"{}")
    assert same is not None
    assert (same.lifetime, same.age) == (60, 0)


def test_a_304_may_say_that_nothing_is_to_be_kept(keep: Keep, make_call: Callable[..., Call]) -> None:
    """From now on it is for one alone."""
    kept = keep(("cache-control", "max-age=60"), ("etag", '"7"'))

    assert freshened(kept, Reply(304, (("cache-control", "private"),)), CachePolicy(), make_call(), AT) is None


def test_what_is_not_good_is_not_asked_about(keep: Keep) -> None:
    """A 304 would be about what is there now, and make a failure last."""
    gone = keep(("cache-control", "max-age=60"), ("etag", '"7"'), status=410, passage=True)

    assert validators(gone) == ()
