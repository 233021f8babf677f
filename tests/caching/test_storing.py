"""Storing: what is kept of a reply, for whom and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching import Entry
from gateway.caching.storing import make_entry, retention
from gateway.call import Call, Reply
from gateway.policy import CachePolicy

AT = 1_790_000_000.0

Keep = Callable[..., Entry | None]


def date(after: float) -> str:
    """The date so many seconds after it was asked for."""
    return formatdate(AT + after, usegmt=True)


def cc(text: str) -> tuple[str, str]:
    """A line of `Cache-Control`."""
    return "cache-control", text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param([cc("max-age=60")], 60, id="max-age"),
        pytest.param([cc("max-age=60, s-maxage=5")], 5, id="s-maxage over max-age"),
        pytest.param([cc("max-age=0, s-maxage=60"), ("expires", "0")], 60, id="s-maxage over all"),
        pytest.param([cc("max-age=60"), ("expires", date(-10))], 60, id="max-age over Expires"),
        pytest.param([cc("max-age=60"), ("age", "20")], 40, id="less its age"),
        pytest.param([cc("max-age=60"), ("age", "20, 0")], 40, id="less the first age"),
        pytest.param([cc("max-age=60"), ("age", "x")], 60, id="no age"),
        pytest.param([cc("max-age=60"), ("date", date(-7200))], 60, id="a slow clock"),
        pytest.param([("expires", date(60)), ("date", date(0))], 60, id="Expires"),
        pytest.param([("expires", date(60)), ("date", date(50))], 10, id="Expires by its own clock"),
        pytest.param([("expires", date(60))], 60, id="Expires by ours"),
        pytest.param([("expires", date(60)), ("date", "foo")], 60, id="Expires without a date"),
        pytest.param([("last-modified", date(-1000)), ("date", date(0))], 100, id="by guess"),
        pytest.param([("last-modified", date(-10_000_000))], 86_400, id="by guess, at most a day"),
        pytest.param([cc("max-age=1"), ("cdn-cache-control", "max-age=60")], 60, id="targeted"),
        pytest.param([cc("no-store"), ("cdn-cache-control", "max-age=60"), ("expires", "0")], 60, id="targeted alone"),
    ],
)
def test_the_upstream_says_how_long(keep: Keep, headers: list[tuple[str, str]], seconds: float) -> None:
    """Seconds from when it was asked for (RFC 9111, section 4.2)."""
    entry = keep(*headers)

    assert entry is not None
    assert entry.lifetime == seconds


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="nothing said"),
        pytest.param([cc("max-age=0")], id="zero"),
        pytest.param([cc("max-age=-60")], id="negative"),
        pytest.param([cc("max-age=60.5")], id="not whole"),
        pytest.param([cc("max-age=60"), ("age", "60")], id="too old"),
        pytest.param([cc("max-age=60, no-store")], id="no-store"),
        pytest.param([cc("max-age=60, private")], id="private"),
        pytest.param([cc('max-age=60, private="set-cookie"')], id="private in part"),
        pytest.param([cc("max-age=60, No-CaChE")], id="no-cache, and nothing to ask by"),
        pytest.param([cc("max-age=60"), ("set-cookie", "a=b")], id="a cookie"),
        pytest.param([cc("max-age=60"), ("vary", "accept"), ("vary", ", *")], id="Vary: *"),
        pytest.param([("expires", "0")], id="Expires that is no date"),
        pytest.param([("expires", date(-5))], id="past Expires"),
        pytest.param([("expires", date(5)), ("expires", date(6))], id="two Expires"),
        pytest.param([cc("max-age=60"), ("cdn-cache-control", "private")], id="targeted private"),
        pytest.param([("cdn-cache-control", "foo"), ("expires", date(60))], id="targeted, saying nothing"),
    ],
)
def test_what_is_good_for_nothing_or_for_one_alone_is_not_kept(keep: Keep, headers: list[tuple[str, str]]) -> None:
    """A shared cache has no use for it, or no right to it (RFC 9111, section 3)."""
    assert keep(*headers) is None


@pytest.mark.parametrize("forbids", ["private", "no-store", 'private="x"'])
@pytest.mark.parametrize("policy", [{"ttl": "30s"}, {"ttl": "30s", "ignore_upstream": True}, {"ttl": "30s", "key": "k"}])
def test_no_policy_overrules_who_forbids(keep: Keep, forbids: str, policy: dict[str, Any]) -> None:
    """`private` and `no-store` hold whatever the config says."""
    assert keep(cc(forbids), **policy) is None


@pytest.mark.parametrize(
    ("headers", "policy", "seconds"),
    [
        pytest.param([], {}, 30, id="nothing said"),
        pytest.param([cc("public")], {}, 30, id="nothing of how long"),
        pytest.param([cc("max-age=60")], {}, 60, id="more"),
        pytest.param([cc("max-age=5")], {}, 5, id="less"),
        pytest.param([("last-modified", date(-1000))], {}, 30, id="no guess"),
        pytest.param([("age", "10")], {}, 20, id="less its age"),
        pytest.param([cc("max-age=5, no-cache"), ("age", "10")], {"ignore_upstream": True}, 30, id="ignored"),
        pytest.param([("expires", "0")], {"ignore_upstream": True}, 30, id="ignored Expires"),
    ],
)
def test_a_ttl_is_for_what_the_upstream_does_not_say(
    keep: Keep, headers: list[tuple[str, str]], policy: dict[str, Any], seconds: float
) -> None:
    """Its own word wins, unless the config ignores it."""
    entry = keep(*headers, ttl="30s", **policy)

    assert entry is not None
    assert entry.lifetime == seconds


@pytest.mark.parametrize(
    ("said", "windows"),
    [
        ("max-age=60", (10, 20)),
        ("max-age=60, stale-while-revalidate=5, stale-if-error=99", (10, 99)),
        ("max-age=60, stale-while-revalidate=99, stale-if-error=5", (99, 20)),
        ("max-age=60, stale-if-error=99, must-revalidate", (0, 0)),
        ("max-age=60, stale-if-error=99, proxy-revalidate", (0, 0)),
        ("s-maxage=60", (0, 0)),
        ("s-maxage=60, stale-while-revalidate=5", (5, 0)),
    ],
)
def test_the_longer_window_holds_unless_it_must_be_asked(keep: Keep, said: str, windows: tuple[float, float]) -> None:
    """What is written here and what the upstream says (RFC 5861); none with `must-revalidate`."""
    entry = keep(cc(said), stale_while_revalidate="10s", stale_if_error="20s")

    assert entry is not None
    assert (entry.stale_while_revalidate, entry.stale_if_error) == windows


@pytest.mark.parametrize(
    ("status", "headers", "policy", "seconds"),
    [
        pytest.param(404, [], {}, None, id="off"),
        pytest.param(404, [], {"negative_ttl": "5s"}, 5, id="on"),
        pytest.param(410, [cc("max-age=60")], {"negative_ttl": "5s"}, 5, id="no longer than written"),
        pytest.param(404, [cc("max-age=2")], {"negative_ttl": "5s"}, 2, id="no longer than said"),
        pytest.param(404, [cc("max-age=60")], {"ttl": "30s"}, None, id="not by what is for good ones"),
        pytest.param(404, [cc("no-store")], {"negative_ttl": "5s"}, None, id="forbidden"),
        pytest.param(500, [cc("max-age=60")], {"negative_ttl": "5s"}, None, id="a failure"),
        pytest.param(429, [], {"negative_ttl": "5s"}, None, id="a refusal"),
    ],
)
def test_what_there_is_not_has_a_time_of_its_own(
    keep: Keep, status: int, headers: list[tuple[str, str]], policy: dict[str, Any], seconds: float | None
) -> None:
    """A step keeps a reply that it does not take for as long as `negative_ttl` at most, and never stale."""
    entry = keep(*headers, status=status, stale_if_error="1h", **policy)

    assert (entry and (entry.lifetime, entry.stale_if_error)) == (seconds and (seconds, 0))


@pytest.mark.parametrize(
    ("status", "headers", "policy", "seconds"),
    [
        pytest.param(599, [cc("max-age=60")], {}, 60, id="any status that says so"),
        pytest.param(404, [("last-modified", date(-100))], {}, 10, id="by guess"),
        pytest.param(503, [("last-modified", date(-100))], {}, None, id="no guess at failures"),
        pytest.param(599, [("last-modified", date(-100)), cc("public")], {}, 10, id="public"),
        pytest.param(206, [cc("max-age=60")], {}, None, id="a part"),
        pytest.param(304, [cc("max-age=60")], {}, None, id="no reply of its own"),
        pytest.param(200, [cc("max-age=60, no-store, must-understand")], {}, 60, id="understood"),
        pytest.param(599, [cc("max-age=60, no-store, must-understand")], {}, None, id="not understood"),
        pytest.param(301, [], {"ttl": "30s"}, 30, id="ttl"),
        pytest.param(500, [], {"ttl": "30s"}, None, id="no ttl for failures"),
        pytest.param(404, [], {"ttl": "30s"}, None, id="no ttl for nothing"),
        pytest.param(404, [], {"ttl": "30s", "negative_ttl": "5s"}, 5, id="negative ttl"),
    ],
)
def test_what_goes_by_is_kept_whatever_its_status(
    keep: Keep, status: int, headers: list[tuple[str, str]], policy: dict[str, Any], seconds: float | None
) -> None:
    """If its upstream says so, or HTTP does (RFC 9110, section 15.1; RFC 9111, section 5.2.2.3)."""
    entry = keep(*headers, status=status, passage=True, **policy)

    assert (entry.lifetime if entry else None) == seconds


@pytest.mark.parametrize("credential", [("authorization", "Bearer alice"), ("cookie", "session=alice")])
@pytest.mark.parametrize(
    ("said", "policy", "kept"),
    [
        pytest.param("max-age=60", {}, True, id="in the key, as all that is sent"),
        pytest.param("max-age=60", {"vary_on": []}, False, id="not in the key"),
        pytest.param("max-age=60", {"key": "{path.id}"}, True, id="the config says what tells apart"),
        pytest.param("max-age=60", {"vary_on": ["Authorization", "Cookie"]}, True, id="in the key"),
        pytest.param("max-age=60, public", {"vary_on": []}, True, id="public"),
        pytest.param("s-maxage=60", {"vary_on": []}, True, id="s-maxage"),
        pytest.param("max-age=60, must-revalidate", {"vary_on": []}, True, id="must-revalidate"),
    ],
)
def test_who_shows_credentials_shares_no_reply_unasked(
    keep: Keep, credential: tuple[str, str], said: str, policy: dict[str, Any], kept: bool
) -> None:
    """Unless they are in its key, or the upstream says that it is for all (RFC 9111, section 3.5)."""
    assert (keep(cc(said), sent=(credential,), **policy) is not None) == kept


def test_a_client_may_say_that_nothing_is_to_be_kept(keep: Keep) -> None:
    """`no-store` in a request that reaches the upstream (RFC 9111, section 5.2.1.5)."""
    assert keep(cc("max-age=60"), sent=(cc("no-store"),)) is None


def test_a_body_that_is_too_large_is_not_kept(keep: Keep) -> None:
    """One byte more than `max_size`."""
    assert keep(cc("max-age=60"), body=b"x" * 1024, max_size="1KiB")
    assert keep(cc("max-age=60"), body=b"x" * 1025, max_size="1KiB") is None


def test_cookies_are_kept_only_where_the_config_says_so(keep: Keep) -> None:
    """HTTP allows it (RFC 9111, section 7.3), and it gives everybody the first one's."""
    entry = keep(cc("max-age=60"), ("set-cookie", "a=b"), set_cookie=True)

    assert entry is not None
    assert ("set-cookie", "a=b") in entry.headers


def test_fields_of_the_connection_are_not_kept(keep: Keep) -> None:
    """Nor those that it names, nor the age, nor what is to be asked for anew each time (RFC 9111, sections 3.1 and 5.2.2.4)."""
    entry = keep(
        ("connection", "A, b"), ("a", "1"), ("b", "2"), ("c", "3"), ("keep-alive", "x"), ("age", "5"), ("d", "4"),
        cc('max-age=60, no-cache="D"'),
    )  # fmt: skip

    assert entry is not None
    assert [name for name, _ in entry.headers] == ["c", "cache-control"]
    assert (entry.age, entry.lifetime) == (5, 55)


@pytest.mark.parametrize(
    ("headers", "policy", "seconds"),
    [
        pytest.param([cc("max-age=60")], {}, 60, id="fresh"),
        pytest.param([cc("max-age=60")], {"stale_while_revalidate": "10s", "stale_if_error": "20s"}, 80, id="the longer window"),
        pytest.param([cc("no-cache"), ("etag", '"7"')], {}, 3600, id="to ask"),
        pytest.param([cc("max-age=7200"), ("etag", '"7"')], {}, 14_400, id="as long again"),
        pytest.param([cc("max-age=1000000"), ("etag", '"7"')], {}, 1_086_400, id="a day at most"),
    ],
)
def test_an_entry_is_kept_as_long_as_it_is_good_for_something(
    keep: Keep, headers: list[tuple[str, str]], policy: dict[str, Any], seconds: float
) -> None:
    """Served fresh, served stale, or asked about."""
    entry = keep(*headers, **policy)

    assert entry is not None
    assert retention(entry) == seconds


_WORDS = ["max-age=60", "s-maxage=5", "public", "no-cache", "must-revalidate", "stale-if-error=60", "x='", "max-age=x"]


@given(
    st.lists(st.sampled_from(_WORDS)),
    st.integers(0, 10),
    st.sampled_from(["private", "no-store"]),
    st.sampled_from([200, 301, 404, 500]),
    st.booleans(),
)
def test_what_is_for_one_alone_is_never_kept(words: list[str], place: int, forbids: str, status: int, ignore: bool) -> None:
    """Whatever else is said, in whatever order, by whatever policy."""
    words.insert(place, forbids)
    call = Call("users", "GET", "/", 0.0, None)  # type: ignore[arg-type]
    reply = Reply(status, (("cache-control", ", ".join(words)), ("etag", '"7"')))
    policy = CachePolicy(ttl="30s", negative_ttl="5s", stale_if_error="1h", ignore_upstream=ignore)

    assert make_entry(policy, call, reply, AT) is None


def test_an_entry_has_the_scopes_of_its_upstream_and_resource(keep: Keep) -> None:
    """By which it is purged, beside those of its step."""
    entry = keep(cc("max-age=60"))

    assert entry is not None
    assert entry.scopes[0] == "upstream:users"
    assert entry.scopes[1].startswith("uri:")
    assert replace(entry, scopes=()).scopes == ()
