"""Health checks: hosts that do not answer them are not asked, until they do again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.call import Call, Reply
from gateway.errors import Unreachable
from gateway.limit import LimitsState
from gateway.plan.recipe import Upstream
from gateway.policy import HealthPolicy
from gateway.stack import WaysState
from gateway.upkeep import EARLY, Upkeep

pytestmark = pytest.mark.looptime

A, B, C = "http://a.test", "http://b.test", "http://c.test"


class Hosts:
    """Hosts that the test plays, and an upstream that has them."""

    def __init__(self, new_upstream: Callable[[], Any], *urls: str, **policy: Any) -> None:
        self.played = {url: new_upstream() for url in urls}
        for host in self.played.values():
            host.close = lambda: None
            host.always(200)
        health = HealthPolicy(path="/livez", **policy)
        first, *others = urls
        upstream = Upstream("users", first, "", 1000, {"x-api-key": "secret"}, others=tuple(others), health=health)
        self.state = WaysState(upstream, LimitsState(), self.played.__getitem__)

    def __getitem__(self, url: str) -> Any:
        return self.played[url]

    @property
    def asked(self) -> list[str]:
        """The hosts that calls go to."""
        now = asyncio.get_running_loop().time()
        return [host.url for host in self.state.hosts.now if host.is_ready(now)]

    @asynccontextmanager
    async def kept(self, chance: float = 0.0) -> AsyncIterator[None]:
        """While the gateway runs."""
        upkeep = Upkeep(self.state, chance=lambda: chance)
        await upkeep.start()
        yield
        await upkeep.stop()


@pytest.fixture
def hosts(new_upstream: Callable[[], Any]) -> Callable[..., Hosts]:
    """Makes hosts that are checked every second unless told otherwise."""
    return lambda *urls, **policy: Hosts(new_upstream, *(urls or (A, B)), **{"every": "1s", "timeout": "500ms", **policy})


async def test_a_host_that_fails_its_checks_is_not_asked(hosts: Callable[..., Hosts], make_call: Any) -> None:
    """It is out after as many as the policy says, and calls go to the other one."""
    two = hosts()
    two[A].always(503)

    async with two.kept():
        await asyncio.sleep(1.9)
        before = two.asked
        await asyncio.sleep(0.2)
        after = two.asked
        calls = [await two.state.caller(make_call(deadline=60.0)) for _ in range(5)]

    assert (before, after) == ([A, B], [B])
    assert len(calls) == 5
    assert {call.target for call in two[A].calls} == {"/livez"}


async def test_a_host_that_is_well_again_is_asked_again(hosts: Callable[..., Hosts]) -> None:
    """After as many good checks as the policy says."""
    two = hosts()
    two[A].replies(500, 500, 500)

    async with two.kept():
        await asyncio.sleep(3.9)
        before = two.asked
        await asyncio.sleep(0.2)

        assert (before, two.asked) == ([B], [A, B])


@pytest.mark.parametrize("trouble", [503, 404, 302, Unreachable("refused"), "hang"])
async def test_only_a_good_reply_in_time_is_one(hosts: Callable[..., Hosts], trouble: Any) -> None:
    """Any 2xx, whatever its body; what hangs is left after the check's own timeout."""
    two = hosts(unhealthy=1)
    two[A].always(two[A].hang if trouble == "hang" else trouble)
    two[B].always(Reply(206, (("content-type", "text/html"),), b"<p>live"))

    async with two.kept():
        await asyncio.sleep(0.6)

        assert two.asked == [B]
    assert two[A].cancelled == (trouble == "hang")


async def test_checks_come_when_they_are_due(hosts: Callable[..., Hosts]) -> None:
    """The first at a moment drawn by lot, the others from one beginning to the next, however long each takes."""
    one = hosts(A)
    one[A].always(one[A].after(0.3, 200))

    async with one.kept(chance=0.5):
        await asyncio.sleep(4)

    rounds = 1 - EARLY / 2
    assert one[A].times == pytest.approx([0.5 + index * rounds for index in range(4)])


@pytest.mark.parametrize(
    ("urls", "ill", "asked"),
    [
        ((A,), (A,), [A]),
        ((A, B), (A,), [B]),
        ((A, B), (A, B), [A, B]),
        ((A, B, C), (A,), [B, C]),
        ((A, B, C), (A, B), [A, B, C]),
    ],
    ids=lambda value: str(len(value)),
)
async def test_when_fewer_than_half_are_healthy_all_are_asked(
    hosts: Callable[..., Hosts], urls: Any, ill: Any, asked: list[str]
) -> None:
    """Those left would have more than twice their share to do; and when nobody is well the checks may be what is wrong."""
    several = hosts(*urls, unhealthy=1)
    for url in ill:
        several[url].always(503)

    async with several.kept():
        await asyncio.sleep(0.1)

        assert several.asked == asked
        assert [host.url for host in several.state.hosts.now if not host.is_healthy] == list(ill)


async def test_a_check_is_a_plain_get(hosts: Callable[..., Hosts]) -> None:
    """With the upstream's own headers, a deadline, and a trace that nobody keeps."""
    one = hosts(A)

    async with one.kept():
        await asyncio.sleep(0.1)

    call: Call = one[A].calls[0]
    assert (call.method, call.target, dict(call.headers)) == ("GET", "/livez", {"x-api-key": "secret"})
    assert call.deadline == pytest.approx(0.5)
    assert call.span.traceparent.endswith("-00")


async def test_changes_are_told_once(hosts: Callable[..., Hosts], caplog: pytest.LogCaptureFixture) -> None:
    """A line when a host goes and one when it comes back, none for each check."""
    two = hosts()
    two[A].replies(*[500] * 10)

    with caplog.at_level("INFO", "gateway.hosts"):
        async with two.kept():
            await asyncio.sleep(20)

    assert [record.message for record in caplog.records] == [
        "users: http://a.test is unhealthy, 3 checks failed in a row: status 500",
        "users: http://a.test is healthy again",
    ]


async def test_nothing_is_left_when_the_gateway_stops(hosts: Callable[..., Hosts]) -> None:
    """Not a check that hangs either."""
    two = hosts(timeout="1s")
    two[A].always(two[A].hang)
    before = asyncio.all_tasks()

    async with two.kept():
        await asyncio.sleep(0.1)
        assert two[A].in_flight == 1

    assert two[A].in_flight == 0
    assert asyncio.all_tasks() == before


async def test_a_host_prints_how_it_is(hosts: Callable[..., Hosts]) -> None:
    """Without a debugger, in a log or a console."""
    two = hosts(unhealthy=1)
    two[A].always(503)

    async with two.kept():
        await asyncio.sleep(0.1)

        said = repr(two.state.hosts)

    assert "HostState(url='http://a.test', in_flight=0, is_healthy=False" in said
    assert "HostState(url='http://b.test', in_flight=0, is_healthy=True" in said
