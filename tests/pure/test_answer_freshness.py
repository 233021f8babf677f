"""How long an answer is good: as long as the strictest of its replies, and the endpoint's own word at most."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.answer.freshness import entry_of, is_for_all, merged, replies_among, retention
from gateway.caching import Entry
from gateway.caching.merging import Merged
from gateway.call import Gathered, Reply, Skipped
from gateway.policy import CachePolicy

NOW = 1_000_000.0


def reply(control: str | None = None, **more: Any) -> Reply:
    """A reply that says so."""
    return Reply(200, (("cache-control", control),) if control else (), **more)


def kept(control: str, *, ago: float, lifetime: float) -> Reply:
    """A reply that was asked for so many seconds ago, and is kept for so long from then."""
    return reply(control, entry=Entry(200, (), b"", NOW - ago, lifetime))


@pytest.mark.parametrize(
    ("replies", "policy", "control", "left"),
    [
        ([reply("max-age=60"), reply("max-age=20")], None, "max-age=20", 20),
        ([reply("max-age=60"), reply()], None, None, None),
        ([], None, None, None),
        ([], {"ttl": "30s"}, "max-age=30", 30),
        ([reply()], {"ttl": "30s"}, "max-age=30", 30),
        ([reply("max-age=60")], {"ttl": "30s"}, "max-age=30", 30),
        ([reply("max-age=10"), reply()], {"ttl": "30s"}, "max-age=10", 10),
        ([reply("no-cache")], {"ttl": "30s"}, "no-cache, max-age=0", 0),
        ([reply("max-age=5")], {"ttl": "30s", "ignore_upstream": True}, "max-age=30", 30),
        ([reply("no-store"), reply("max-age=5")], {"ttl": "30s"}, "no-store", 0),
        ([reply("private, max-age=5"), reply("max-age=9")], None, "private, max-age=5", 5),
        ([kept("max-age=60", ago=50, lifetime=60)], {"ttl": "30s"}, "max-age=60", 10),
        ([kept("max-age=60", ago=70, lifetime=60)], {"ttl": "30s"}, "max-age=70", 0),
    ],
)
def test_the_strictest_decides(replies: list[Reply], policy: Any, control: str | None, left: float | None) -> None:
    """Of what is known; and what is known of nothing is known of nobody. What is kept has been old for a while."""
    good = merged(replies, NOW, CachePolicy(**policy) if policy else None, is_private=False)

    assert (good.cache_control, good.left) == (control, left)


def test_an_answer_to_credentials_is_private() -> None:
    """Whoever reads them makes answers for one client."""
    assert merged([reply("max-age=9")], NOW, None, is_private=True).cache_control == "private, max-age=9"


def test_a_loop_s_replies_count_each() -> None:
    """One of them may say less than the others."""
    outcomes = [Gathered(200, parts=(reply("max-age=9"), reply("max-age=3"))), reply("max-age=60"), Skipped("not now")]

    assert merged(replies_among(outcomes), NOW, None, is_private=False).cache_control == "max-age=3"


@pytest.mark.parametrize(
    ("head", "control", "is_it"),
    [
        ((), None, True),
        ((("cache-control", "max-age=5"),), "max-age=5", True),
        ((("set-cookie", "a=1"),), None, False),
        ((("vary", "accept"), ("vary", "*")), None, False),
        ((("cache-control", "private"),), None, False),
        ((), "no-store", False),
        ((), 'private="x-user"', False),
    ],
)
def test_what_is_for_one_is_not_for_all(head: Any, control: str | None, is_it: bool) -> None:
    """The head that the config makes says so, or a reply does."""
    assert is_for_all(head, [reply(), reply(control)]) is is_it


@pytest.mark.parametrize(("control", "stale"), [("max-age=30", 60.0), ("must-revalidate, max-age=30", 0.0)])
def test_what_must_be_asked_for_is_not_served_stale(control: str, stale: float) -> None:
    """`must-revalidate` of one reply is of all (RFC 9111, section 5.2.2.2)."""
    policy = CachePolicy(ttl="30s", stale_if_error="1m", stale_while_revalidate="1m")

    entry = entry_of(policy, (("age", "3"), ("etag", '"1"')), b"{}", Merged(control, 3, 30.0), NOW, ("tag:a",))

    assert entry is not None
    assert (entry.stale_if_error, entry.stale_while_revalidate, retention(entry)) == (stale, stale, 30 + stale)
    assert (entry.headers, entry.age, entry.scopes) == ((("etag", '"1"'),), 3, ("tag:a",))


@pytest.mark.parametrize(("left", "size"), [(None, 2), (0.0, 2), (30.0, 1025)])
def test_what_is_good_for_nothing_is_not_kept(left: float | None, size: int) -> None:
    """Nobody knows how long, or not at all, or it is too large."""
    assert entry_of(CachePolicy(ttl="30s", max_size="1KiB"), (), b"x" * size, Merged(None, 0, left), NOW, ()) is None
