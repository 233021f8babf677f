"""Keys: who shares an entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching import Place
from gateway.caching.keys import digest_of, key_of, selecting, uri_scope, variant_of
from gateway.call import Call, Expectation
from gateway.formats import FORMATS
from gateway.policy import CachePolicy

PLAIN = CachePolicy(ttl="30s")

HEADERS = st.lists(st.tuples(st.sampled_from(["accept", "x", "authorization"]), st.text(max_size=3)), max_size=3).map(tuple)
CALLS = st.builds(
    Call,
    upstream=st.sampled_from(["users", "orders"]),
    method=st.sampled_from(["GET", "POST"]),
    target=st.sampled_from(["/", "/a", "/a?b=c"]),
    deadline=st.floats(0, 9),
    span=st.none(),
    headers=HEADERS,
    body=st.binary(max_size=2),
)
SEEN = ("upstream", "method", "target", "headers", "body")
"""What an upstream can see of a call."""


@given(CALLS, CALLS)
def test_calls_share_a_key_only_when_they_are_the_same_to_their_upstream(one: Call, other: Call) -> None:
    """In all that is sent, and in nothing that is not."""
    same = all(getattr(one, name) == getattr(other, name) for name in SEEN)

    assert (key_of(one, PLAIN) == key_of(other, PLAIN)) == same
    assert (digest_of(one) == digest_of(other)) == same


@given(CALLS, CALLS)
def test_with_names_the_others_are_not_in_the_key(one: Call, other: Call) -> None:
    """What `vary_on` does not name tells nobody apart; all else does."""
    policy = CachePolicy(vary_on=["X"])
    chosen = [[text for name, text in call.headers if name == "x"] for call in (one, other)]
    same = all(getattr(one, name) == getattr(other, name) for name in SEEN if name != "headers") and chosen[0] == chosen[1]

    if same:
        assert key_of(one, policy) == key_of(other, policy)
    if key_of(one, policy) == key_of(other, policy):
        assert all(getattr(one, name) == getattr(other, name) for name in SEEN if name != "headers")


def test_a_written_key_stands_for_target_and_headers(make_call: Callable[..., Call]) -> None:
    """And for nothing else: another upstream, method or written key is another entry."""
    policy = CachePolicy(key="{path.id}-{path.name}")
    one = make_call(target="/a", headers=(("x", "1"),), place=Place(named=("7", "8")))

    assert key_of(one, policy) == key_of(make_call(target="/b", place=Place(named=("7", "8"))), policy)
    assert key_of(one, policy) != key_of(replace(one, place=Place(named=("7-8", ""))), policy)
    assert key_of(one, policy) != key_of(replace(one, upstream="orders"), policy)
    assert key_of(one, policy) != key_of(replace(one, place=None), policy)


@pytest.mark.parametrize(
    "other",
    [
        {"ttl": "60s"}, {"ttl": "30s", "negative_ttl": "1s"}, {"ttl": "30s", "ignore_upstream": True}, {"ttl": "30s", "vary_on": []},
        {"ttl": "30s", "stale_if_error": "1s"}, {"ttl": "30s", "stale_while_revalidate": "1s"}, {"ttl": "30s", "set_cookie": True},
    ],
)  # fmt: skip
def test_steps_that_keep_otherwise_share_nothing(make_call: Callable[..., Call], other: dict[str, Any]) -> None:
    """Neither gets what is older than it allows."""
    assert key_of(make_call(), PLAIN) != key_of(make_call(), CachePolicy(**other))


def test_steps_that_read_otherwise_share_nothing(make_call: Callable[..., Call]) -> None:
    """What is JSON to the one is text to the other."""
    keys = {key_of(make_call(expects=Expectation(format=form)), PLAIN) for form in FORMATS.values()}

    assert len(keys) == len(FORMATS)


def test_what_goes_by_is_not_shared_with_what_is_read(make_call: Callable[..., Call]) -> None:
    """It is kept in the coding that it came in."""
    passing = make_call(passage=object())

    assert key_of(passing, PLAIN) != key_of(make_call(), PLAIN)
    assert key_of(passing, CachePolicy(vary_on=[])) != key_of(make_call(), CachePolicy(vary_on=[]))


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        pytest.param({}, (), id="all that is sent is in the key"),
        pytest.param({"vary_on": []}, ("accept", "x"), id="none of them is"),
        pytest.param({"vary_on": ["Accept"]}, ("x",), id="one of them is"),
        pytest.param({"key": "k"}, ("accept", "x"), id="a written key"),
    ],
)
def test_vary_names_what_the_key_does_not_have(policy: dict[str, Any], names: tuple[str, ...]) -> None:
    """On all its lines, in any case (RFC 9111, section 4.1)."""
    assert selecting(CachePolicy(**policy), [("vary", "X, Accept"), ("vary", "accept")]) == names


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param([("foo", "1")], [("foo", "1")], True, id="the same"),
        pytest.param([("foo", "1")], [("foo", "2")], False, id="another"),
        pytest.param([("foo", "1")], [], False, id="none"),
        pytest.param([], [], True, id="none at both"),
        pytest.param([("foo", "")], [], False, id="empty is not none"),
        pytest.param([("foo", "1, 2")], [("foo", "1"), ("foo", "2")], True, id="on two lines"),
        pytest.param([("foo", "1,2")], [("foo", " 1,  2 ")], True, id="space"),
        pytest.param([("foo", "1, 2")], [("foo", "2, 1")], False, id="order"),
        pytest.param([("foo", "a")], [("foo", "A")], False, id="case"),
        pytest.param([("accept-language", "en, de")], [("accept-language", "De,eN")], True, id="languages"),
        pytest.param([("accept-language", "en;q=0.5, de")], [("accept-language", "en, de")], False, id="weights"),
        pytest.param([("other", "1")], [("other", "2")], True, id="not named"),
    ],
)
def test_a_variant_is_for_requests_that_say_the_same(
    one: list[tuple[str, str]], other: list[tuple[str, str]], same: bool
) -> None:
    """In the headers that it varies by."""
    names = ("accept-language", "foo")

    assert (variant_of("k", names, one) == variant_of("k", names, other)) == same


def test_a_resource_is_one_whatever_is_asked_of_it(make_call: Callable[..., Call]) -> None:
    """Its scope is the upstream's name and the target."""
    assert uri_scope("users", "/a") == uri_scope("users", "/a")
    assert len({uri_scope("users", "/a"), uri_scope("users", "/a?b"), uri_scope("orders", "/a")}) == 3


def test_every_part_of_a_call_is_seen_or_known_not_to_be() -> None:
    """A new one is to be thought of here."""
    unseen = {"deadline", "span", "template", "expects", "timeout", "attempt", "tried", "passage", "inject", "place"}

    assert {one.name for one in fields(Call)} == {*SEEN, *unseen}
