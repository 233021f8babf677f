"""Which host is asked: the better of two that are ready."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.states.hosts import DECAY, UNKNOWN, HostsState, HostState, Place, choose

A, B, C = "http://a", "http://b", "http://c"


def hosts(*urls: str) -> list[HostState]:
    """Hosts that nobody has asked yet."""
    return [HostState(url) for url in urls or (A, B, C)]


def chances(*numbers: float):
    """Chance that gives these numbers, one after the other."""
    return iter(numbers).__next__


def test_the_one_of_two_with_less_to_do_is_chosen():
    """Two are drawn; calls in flight count."""
    a, b, c = hosts()
    a.in_flight = 1

    assert choose([a, b, c], [], 0.0, chances(0.0, 0.0)) is b
    assert choose([a, b, c], [], 0.0, chances(0.4, 0.0)) is b


def test_the_two_that_are_drawn_are_never_one():
    """Whatever chance gives, each pair of different hosts is as likely as any other."""
    three = hosts()
    for index, host in enumerate(three):
        host.in_flight = index

    drawn = Counter(choose(three, [], 0.0, chances(one, other)).url for one, other in product((0.1, 0.4, 0.7), (0.1, 0.6)))

    assert drawn == {A: 4, B: 2}


def test_a_slow_host_is_avoided_at_once_and_tried_again_later():
    """One slow reply counts in full; it is forgotten bit by bit."""
    a, b = hosts(A, B)
    a.observe(0.01, 0.0)
    b.observe(0.01, 0.0)
    b.observe(2.0, 0.1)

    soon, later = (choose([b, a], [], when, chances(0.0, 0.0)) for when in (0.2, 100 * DECAY))

    assert (soon.url, later.url) == (A, B)


def test_a_better_reply_counts_bit_by_bit():
    """After `DECAY` seconds what was before counts a third."""
    (a,) = hosts(A)
    a.observe(1.0, 0.0)

    a.observe(0.0, DECAY)

    assert a.load(DECAY) == pytest.approx(0.135, abs=0.01)


def test_what_is_not_ready_is_not_asked():
    """Unless nothing is: then the host itself refuses, and says why."""
    a, b = hosts(A, B)
    a.bars.append(lambda now: now < 5.0)

    assert {choose([a, b], [], 1.0, chances(x, 0.0)).url for x in (0.0, 0.9)} == {B}
    assert choose([a], [], 1.0, chances()).url == A
    assert {choose([a, b], [], 6.0, chances(x, 0.0)).url for x in (0.0, 0.9)} == {A, B}


def test_a_host_that_has_been_tried_is_not_tried_again_while_there_is_another():
    """A retry is worth most somewhere else."""
    a, b, c = hosts()

    assert choose([a, b], [A], 0.0, chances()) is b
    assert choose([a, b, c], [A, B], 0.0, chances()) is c
    assert choose([a, b], [A, B], 0.0, chances(0.0, 0.0)) in (a, b)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_there_is_always_a_host(states, one, other):
    """And it is one that is ready, if any is, and of these one that has not been tried, if any has not."""
    several = []
    for index, (in_flight, is_ready, _) in enumerate(states):
        host = HostState(f"http://{index}", in_flight)
        if not is_ready:
            host.bars.append(lambda _: True)
        several.append(host)
    tried = [host.url for host, (*_, was_tried) in zip(several, states, strict=True) if was_tried]

    chosen = choose(several, tried, 0.0, chances(one, other))

    ready = [host for host in several if host.is_ready(0.0)] or several
    assert chosen in ([host for host in ready if host.url not in tried] or ready)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 100)), max_size=20))
def test_a_load_is_never_nothing(observed):
    """Calls in flight count whatever the replies were like."""
    (a,) = hosts(A)
    now = 0.0
    for seconds, passed in observed:
        now += passed
        a.observe(seconds, now)
    quiet = a.load(now)
    a.in_flight += 1

    assert quiet >= UNKNOWN
    assert a.load(now) > quiet


def test_hosts_of_a_higher_priority_number_are_asked_when_there_are_no_others():
    """Others that are ready, and have not been tried."""
    state = HostsState()
    state.update([Place(A, priority=1), Place(B, priority=0), Place(C, priority=1)])
    a, b, c = state.now

    first = choose(state.now, [], 0.0, chances())
    after_it = choose(state.now, [B], 0.0, chances(0.0, 0.0))
    b.bars.append(lambda _: True)

    assert (first, after_it) == (b, a)
    assert choose(state.now, [A], 0.0, chances()) is c


@pytest.mark.parametrize(("one", "other", "chosen"), [(0.05, 0.99, B), (0.05, 0.05, A), (0.15, 0.05, B), (0.99, 0.99, B)])
def test_weights_say_how_often_a_host_is_drawn(one: float, other: float, chosen: str):
    """A has a tenth: it is asked when it is drawn twice, or drawn once and has less to do."""
    state = HostsState()
    state.update([Place(A, weight=1), Place(B, weight=9)])
    state.now[0].in_flight = 1

    assert choose(state.now, [], 0.0, chances(one, other)).url == chosen


def test_hosts_that_stay_keep_what_is_known_of_them():
    """Others join as if nobody had heard of them; of those that have gone nothing is kept."""
    state = HostsState()
    state.update([Place(A), Place(B)])
    a, b = state.now
    a.in_flight = 3

    joined, gone = state.update([Place(C), Place(A, priority=1, weight=5.0)])

    assert ([host.url for host in joined], gone) == ([C], [b])
    assert state.now == (*joined, a)
    assert (a.in_flight, a.priority, a.weight) == (3, 1, 5.0)


URLS = st.sampled_from([f"http://{name}" for name in "abcdef"])


@given(st.lists(st.lists(URLS, max_size=8), max_size=8), st.data())
def test_whoever_joins_and_goes_is_told(rounds: list[list[str]], data: st.DataObject):
    """After each round the hosts are those that were said, each once; what was told adds up to them; and the count of the healthy holds."""
    state, kept = HostsState(), {}
    for urls in rounds:
        joined, gone = state.update(map(Place, urls))
        for host in gone:
            assert kept.pop(host.url) is host
        kept |= {host.url: host for host in joined}

        assert [host.url for host in state.now] == list(dict.fromkeys(urls))
        assert {host.url: host for host in state.now} == kept
        for host in state.now:
            state.note(host, is_healthy=data.draw(st.booleans()))
        ill = [host for host in state.now if not host.is_healthy]
        assert state.asks_unhealthy == (len(ill) > len(state.now) / 2)
        assert [host for host in state.now if not host.is_ready(0.0)] == ([] if state.asks_unhealthy else ill)
