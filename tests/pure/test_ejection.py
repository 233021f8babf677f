"""When a host is out: it fails while others do not, few are out at a time, and never the last."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.policy import EjectPolicy
from gateway.states.ejection import OutlierState
from gateway.states.hosts import HostState, choose


def outliers(count: int = 3, **written: Any) -> list[OutlierState]:
    """So many hosts of an upstream, each with what is known of it."""
    hosts = [HostState(f"http://{index}") for index in range(count)]
    states = [OutlierState(EjectPolicy(**written), host, hosts) for host in hosts]
    for state in states:
        state.host.bars.append(state.bars)
    return states


def fail(state: OutlierState, now: float, times: int = 5) -> bool:
    """So many calls to a host fail; whether it is out then."""
    for _ in range(times):
        state.record(now, failed=True)
    return state.host.is_out(now)


def test_failures_in_a_row_put_a_host_out():
    """One that goes well begins a new row."""
    one, *others = outliers()

    fail(one, 0.0, 4)
    one.record(0.0, failed=False)

    assert not fail(one, 0.0, 4)
    assert fail(one, 0.0, 1)
    assert [state.host.is_ready(0.0) for state in (one, *others)] == [False, True, True]


def test_a_host_is_in_again_after_its_time():
    """And has as many failures before it as the others."""
    one, *_ = outliers()
    fail(one, 0.0)

    assert [one.host.is_ready(now) for now in (29.9, 30.0)] == [False, True]
    assert not fail(one, 30.0, 4)


def test_each_time_it_is_out_for_longer():
    """Up to the longest."""
    (one, *_), now, times = outliers(longest="1.5m"), 0.0, []

    for _ in range(5):
        fail(one, now)
        times.append(one.host.out_until - now)
        now += times[-1]

    assert times == [30, 60, 90, 90, 90]


def test_it_is_forgiven_bit_by_bit():
    """Each 30 s in which it was in take back one time that it was out, and no more than all of them."""
    one, *_ = outliers()
    fail(one, 0.0)
    fail(one, 30.0)

    fail(one, 125.0)
    second = one.host.out_until - 125.0
    fail(one, 10_000.0)

    assert (second, one.host.out_until - 10_000.0) == (60.0, 30.0)


@pytest.mark.parametrize(("count", "most", "out"), [(3, "10%", 1), (10, "10%", 1), (20, "10%", 2), (4, "50%", 2), (4, "100%", 3)])
def test_no_more_than_a_share_are_out_and_never_all(count, most, out):
    """One may always be, the last one never."""
    states = outliers(count, most=most)

    were_put_out = [fail(state, 0.0) for state in states]

    assert sum(were_put_out) == out
    assert sum(state.host.is_ready(0.0) for state in states) == count - out


def test_who_fails_when_the_others_are_not_ready_is_no_outlier():
    """Its failures are everybody's."""
    one, other = outliers(2)
    other.host.bars.append(lambda now: now < 1.0)

    assert not fail(one, 0.0)
    assert fail(one, 1.0, 1)


def test_a_host_that_is_out_is_asked_when_nobody_else_is_left():
    """It may be well by now, and the other one is known not to be."""
    one, other = outliers(2)
    fail(one, 0.0)
    other.host.bars.append(lambda now: now >= 1.0)

    chosen = [choose([one.host, other.host], [], now, iter([0.0] * 2).__next__).url for now in (0.5, 1.0)]

    assert chosen == ["http://1", "http://0"]


def test_a_call_from_before_does_not_make_it_longer():
    """What was in flight when a host was put out changes nothing."""
    one, *_ = outliers(most="100%")
    fail(one, 0.0)

    fail(one, 1.0, 20)

    assert one.host.out_until == 30.0


class Outliers(RuleBasedStateMachine):
    """Hosts that fail and recover in any order."""

    @initialize(count=st.integers(2, 12), most=st.sampled_from(["1%", "10%", "50%", "100%"]))
    def start(self, count: int, most: str) -> None:
        """Some hosts."""
        self.now = 0.0
        self.states = outliers(count, consecutive=2, most=most)
        self.down: set[int] = set()
        self.may = max(1, int(float(most[:-1]) / 100 * count))
        for index, state in enumerate(self.states):
            state.host.bars.append(lambda _, index=index: index in self.down)

    @rule(seconds=st.sampled_from([1.0, 10.0, 30.0, 400.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(index=st.integers(0, 11))
    def change(self, index: int) -> None:
        """Something else keeps calls away from a host, or does not any more."""
        self.down ^= {index % len(self.states)}

    @rule(index=st.integers(0, 11), failed=st.booleans())
    def end(self, index: int, failed: bool) -> None:
        """A call ends; only a failure, while another host is ready, puts a host out."""
        state = self.states[index % len(self.states)]
        others = any(one.host.is_ready(self.now) for one in self.states if one is not state)
        was_out = state.host.is_out(self.now)

        put_out = state.record(self.now, failed=failed)

        assert not put_out or (failed and others and not was_out)
        assert state.host.is_out(self.now) == (was_out or put_out)

    @invariant()
    def enough_are_left(self) -> None:
        """No more are out than may be, for no longer than the longest; and being out alone never leaves nobody to ask."""
        out = [state for state in self.states if state.host.is_out(self.now)]
        assert len(out) <= self.may
        assert all(state.host.out_until - self.now <= state.policy.longest for state in out)
        if len(self.down) < len(self.states):
            assert any(state.host.is_ready(self.now) for state in self.states)


TestOutliers = Outliers.TestCase
