"""Which hosts are out: those that fail while others do not, few at a time, and never the last."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.ejection import EjectionState
from gateway.hosts import HostState, choose
from gateway.policy import EjectPolicy


def ejection(count: int = 3, **written: Any) -> EjectionState:
    """So many hosts, and which of them are out."""
    return EjectionState(EjectPolicy(**written), [HostState(f"http://{index}") for index in range(count)])


def fail(state: EjectionState, index: int, now: float, times: int = 5) -> bool:
    """So many calls to one host fail; whether it is out then."""
    for _ in range(times):
        state.record(state.hosts[index], now, failed=True)
    return state.is_out(state.hosts[index], now)


def test_failures_in_a_row_put_a_host_out():
    """One that goes well begins a new row."""
    state = ejection()

    fail(state, 0, 0.0, 4)
    state.record(state.hosts[0], 0.0, failed=False)

    assert not fail(state, 0, 0.0, 4)
    assert fail(state, 0, 0.0, 1)
    assert [host.is_ready(0.0) for host in state.hosts] == [False, True, True]


def test_a_host_is_in_again_after_its_time():
    """And has as many failures before it as the others."""
    state = ejection()
    fail(state, 0, 0.0)

    assert [state.hosts[0].is_ready(now) for now in (29.9, 30.0)] == [False, True]
    assert not fail(state, 0, 30.0, 4)


def test_each_time_it_is_out_for_longer():
    """Up to the longest."""
    state, now, times = ejection(longest="1.5m"), 0.0, []

    for _ in range(5):
        fail(state, 0, now)
        times.append(state.outliers["http://0"].until - now)
        now += times[-1]

    assert times == [30, 60, 90, 90, 90]


def test_it_is_forgiven_bit_by_bit():
    """Each 30 s in which it was in take back one time that it was out."""
    state = ejection()
    fail(state, 0, 0.0)
    fail(state, 0, 30.0)

    fail(state, 0, 30.0 + 60.0 + 35.0)

    assert state.outliers["http://0"].until - 125.0 == 60.0
    fail(state, 0, 10_000.0)
    assert state.outliers["http://0"].until - 10_000.0 == 30.0


@pytest.mark.parametrize(("count", "most", "out"), [(3, "10%", 1), (10, "10%", 1), (20, "10%", 2), (4, "50%", 2), (4, "100%", 3)])
def test_no_more_than_a_share_are_out_and_never_all(count, most, out):
    """One may always be, the last one never."""
    state = ejection(count, most=most)

    was_put_out = [fail(state, index, 0.0) for index in range(count)]

    assert sum(was_put_out) == out
    assert sum(host.is_ready(0.0) for host in state.hosts) == count - out


def test_who_fails_when_the_others_are_not_ready_is_no_outlier():
    """Its failures are everybody's."""
    state = ejection(2)
    state.hosts[1].bars.append(lambda now: now < 1.0)

    assert not fail(state, 0, 0.0)
    assert fail(state, 0, 1.0, 1)


def test_a_host_that_is_out_is_asked_when_nobody_else_is_left():
    """It may be well by now, and the other one is known not to be."""
    state = ejection(2)
    fail(state, 0, 0.0)
    state.hosts[1].bars.append(lambda now: now >= 1.0)

    chosen = [choose(state.hosts, [], now, iter([0.0] * 2).__next__).url for now in (0.5, 1.0)]

    assert chosen == ["http://1", "http://0"]


def test_a_call_from_before_does_not_make_it_longer():
    """What was in flight when a host was put out changes nothing."""
    state = ejection()
    fail(state, 0, 0.0)

    fail(state, 0, 1.0, 20)

    assert state.outliers["http://0"].until == 30.0


class Ejections(RuleBasedStateMachine):
    """Hosts that fail and recover in any order."""

    @initialize(count=st.integers(2, 12), most=st.sampled_from(["1%", "10%", "50%", "100%"]))
    def start(self, count: int, most: str) -> None:
        """Some hosts."""
        self.now = 0.0
        self.state = ejection(count, consecutive=2, most=most)
        self.down: set[int] = set()
        self.may = max(1, int(float(most[:-1]) / 100 * count))
        for index, host in enumerate(self.state.hosts):
            host.bars.append(lambda _, index=index: index in self.down)

    @rule(seconds=st.sampled_from([1.0, 10.0, 30.0, 400.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(index=st.integers(0, 11))
    def change(self, index: int) -> None:
        """Something else keeps calls away from a host, or does not any more."""
        self.down ^= {index % len(self.state.hosts)}

    @rule(index=st.integers(0, 11), failed=st.booleans())
    def end(self, index: int, failed: bool) -> None:
        """A call ends; only a failure, while another host is ready, puts a host out."""
        host = self.state.hosts[index % len(self.state.hosts)]
        others = any(one.is_ready(self.now) for one in self.state.hosts if one is not host)
        was_out = self.state.is_out(host, self.now)

        put_out = self.state.record(host, self.now, failed=failed)

        assert not put_out or (failed and others and not was_out)
        assert self.state.is_out(host, self.now) == (was_out or put_out)

    @invariant()
    def enough_are_left(self) -> None:
        """No more are out than may be, for no longer than the longest; and out alone never leaves nobody to ask."""
        out = [host for host in self.state.hosts if self.state.is_out(host, self.now)]
        assert len(out) <= self.may
        assert all(self.state.outliers[host.url].until - self.now <= self.state.policy.longest for host in out)
        if len(self.down) < len(self.state.hosts):
            assert any(host.is_ready(self.now) for host in self.state.hosts)


TestEjections = Ejections.TestCase
