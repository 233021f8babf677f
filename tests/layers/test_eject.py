"""Eject: a host that fails is told of, and gets no calls from balance."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import CallError, CallTimeout, Unreachable
from gateway.layers.eject import Eject
from gateway.policy import EjectPolicy
from gateway.states.ejection import OutlierState
from gateway.states.hosts import HostState

pytestmark = pytest.mark.looptime


def ejecting(upstream: Any) -> tuple[Any, HostState]:
    """A caller to the first of two hosts, which the upstream plays, and that host."""
    hosts = HostState("http://a"), HostState("http://b")
    return Eject(OutlierState(EjectPolicy(consecutive=2), hosts[0], hosts))(upstream), hosts[0]


@pytest.mark.parametrize(
    ("failure", "is_out"),
    [
        pytest.param(500, True, id="500"),
        pytest.param(Unreachable("refused"), True, id="unreachable"),
        pytest.param(CallTimeout("over"), True, id="deadline"),
        pytest.param(404, False, id="404"),
        pytest.param(429, False, id="429"),
    ],
)
async def test_failures_put_a_host_out(upstream: Any, make_call: Any, caplog: Any, failure: Any, is_out: bool) -> None:
    """The same that speak against a host everywhere; the log has a line."""
    caller, host = ejecting(upstream)
    upstream.always(failure)

    for _ in range(3):
        with pytest.raises(CallError):
            await caller(make_call())

    assert host.is_out(0.0) is is_out
    assert caplog.messages == (["http://a gets no calls for 30 s"] if is_out else [])


async def test_nobody_is_turned_away(upstream: Any, make_call: Any) -> None:
    """Who asks a host that is out, because none other is left, asks it."""
    caller, host = ejecting(upstream)
    upstream.replies(500, 500, 200)
    for _ in range(2):
        with pytest.raises(CallError):
            await caller(make_call())

    reply = await caller(make_call())

    assert host.is_out(0.0)
    assert reply.status == 200


async def test_what_says_nothing_of_a_host_ends_no_row(upstream: Any, make_call: Any) -> None:
    """It is as if it had not been."""
    caller, host = ejecting(upstream)
    upstream.replies(500, CallTimeout("over"), 500)

    for deadline in (10.0, 0.1, 10.0):
        with pytest.raises(CallError):
            await caller(make_call(deadline=deadline))

    assert host.is_out(0.0)


async def test_a_reply_that_goes_well_begins_a_new_row(upstream: Any, make_call: Any) -> None:
    """And a client in a hurry does not put a host out."""
    caller, host = ejecting(upstream)
    upstream.replies(500, 200, 500, CallTimeout("over"), CallTimeout("over"))

    for deadline in (10.0, 10.0, 10.0, 0.1, 0.1):
        try:
            await caller(make_call(deadline=deadline))
        except CallError:
            continue

    assert not host.is_out(0.0)
