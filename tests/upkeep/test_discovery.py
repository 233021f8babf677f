"""Discovery: the hosts are those that a name leads to, and follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import StatusRefused, Unreachable
from gateway.limit import LimitsState
from gateway.plan.recipe import Upstream
from gateway.policy import DiscoverPolicy, EjectPolicy, HealthPolicy
from gateway.stack import WaysState
from gateway.states.hosts import Place
from gateway.transport import NamesState, Service, Unknown
from gateway.upkeep import PATIENCE, SOON, Upkeep
from gateway.upkeep.discovery import LIGHTEST, make_find

pytestmark = pytest.mark.looptime

A, B, C = "http://10.0.0.1:80", "http://10.0.0.2:80", "http://10.0.0.3:80"


class Name:
    """A name that leads where the test says, and the upstream whose hosts it has."""

    def __init__(self, new_upstream: Callable[[], Any], health: HealthPolicy | None = None) -> None:
        self.new_upstream = new_upstream
        self.answer: Any = [A, B]
        self.times: list[float] = []
        """When it was looked up."""

        self.played: dict[str, Any] = {}
        """Every host that has joined."""

        self.closed: list[str] = []
        discover = DiscoverPolicy(a="users.internal", every="10s")
        upstream = Upstream("users", "http://users.internal", "", 1000, {}, discover=discover, health=health)
        self.state = WaysState(upstream, LimitsState(), self.sender)

    def sender(self, url: str) -> Any:
        """A host, played by the test."""
        self.played[url] = host = self.new_upstream()
        host.close = lambda: self.closed.append(url)
        host.always(200)
        return host

    async def find(self) -> Sequence[Place]:
        self.times.append(asyncio.get_running_loop().time())
        if isinstance(self.answer, float):
            await asyncio.sleep(self.answer)
        if isinstance(self.answer, Exception):
            raise self.answer
        return list(map(Place, self.answer))

    @property
    def hosts(self) -> list[str]:
        return [host.url for host in self.state.hosts.now]

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[Name]:
        """While the gateway runs."""
        upkeep = Upkeep(self.state, self.find, chance=lambda: 0.0)
        await upkeep.start()
        yield self
        await upkeep.stop()


@pytest.fixture
def name(new_upstream: Callable[[], Any]) -> Name:
    """A name with two hosts that is looked up every ten seconds."""
    return Name(new_upstream)


async def test_the_hosts_are_known_when_the_gateway_starts_to_serve(name: Name, make_call: Any) -> None:
    """The first call need not wait."""
    async with name.kept():
        assert name.hosts == [A, B]
        assert (await name.state.caller(make_call())).status == 200


async def test_hosts_join_and_go_as_the_name_says(name: Name) -> None:
    """Each time that it is looked up; who has gone is closed."""
    async with name.kept():
        name.answer = [B, C]
        await asyncio.sleep(9.9)
        before = name.hosts
        await asyncio.sleep(0.2)

        assert (before, name.hosts, name.closed) == ([A, B], [B, C], [A])
        assert list(name.state.callers) == list(name.state.senders) == [B, C]
        assert list(name.played) == [A, B, C]


async def test_a_call_in_flight_ends_as_it_would_have(name: Name, make_call: Any) -> None:
    """Its host has gone meanwhile; the next one goes elsewhere."""
    name.answer = [A]
    async with name.kept():
        name.played[A].replies(name.played[A].after(15.0, 200))
        call = asyncio.create_task(name.state.caller(make_call(deadline=60.0)))
        name.answer = [B]
        await asyncio.sleep(11)
        await name.state.caller(make_call(deadline=60.0))

        assert (await call).status == 200
        assert (name.played[A].attempts, name.played[B].attempts) == (1, 1)


@pytest.mark.parametrize("trouble", [Unknown("no such name"), 60.0], ids=["unknown", "silence"])
async def test_when_nobody_can_say_the_hosts_stay(name: Name, trouble: Any, caplog: pytest.LogCaptureFixture) -> None:
    """For as long as it takes, with a word in the log when it begins."""
    async with name.kept():
        name.answer = trouble
        await asyncio.sleep(40)

        assert (name.hosts, name.closed) == ([A, B], [])
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        name.answer = [C]
        await asyncio.sleep(10 + PATIENCE)
        assert name.hosts == [C]


async def test_whoever_comes_back_is_as_new(name: Name, make_call: Any) -> None:
    """It was out, and has been forgotten."""
    name.state = WaysState(replace(name.state.upstream, eject=EjectPolicy(consecutive=1)), LimitsState(), name.sender)
    async with name.kept():
        name.played[A].replies(500)
        name.state.hosts[1].in_flight = 5
        with pytest.raises(StatusRefused):
            await name.state.caller(make_call())
        was_ready = name.state.hosts[0].is_ready(0.0)
        name.answer = [B]
        await asyncio.sleep(10.5)
        name.answer = [A, B]
        await asyncio.sleep(10)

        assert (was_ready, name.state.hosts[0].url, name.state.hosts[0].is_ready(20.5)) == (False, A, True)


async def test_without_a_host_nothing_is_sent(name: Name, make_call: Any) -> None:
    """The gateway starts all the same, and looks again soon."""
    name.answer = Unknown("no such name")
    async with name.kept():
        with pytest.raises(Unreachable):
            await name.state.caller(make_call())
        name.answer = [A]
        await asyncio.sleep(SOON + 0.1)

        assert (await name.state.caller(make_call())).status == 200
        assert name.times == [0.0, SOON]


async def test_a_bug_is_told(name: Name, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for the task that it ends."""
    async with name.kept():
        name.answer = ValueError("a bug")
        await asyncio.sleep(11)

    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a bug"]


async def test_a_name_server_that_does_not_answer_does_not_keep_the_gateway_from_serving(name: Name) -> None:
    name.answer = 3600.0

    async with name.kept():
        assert asyncio.get_running_loop().time() == pytest.approx(PATIENCE)


async def test_checks_come_and_go_with_their_hosts(new_upstream: Callable[[], Any]) -> None:
    """One that has gone is not asked any more; one that joins is."""
    name = Name(new_upstream, HealthPolicy(path="/livez", every="1s"))
    async with name.kept():
        name.answer = [B, C]
        await asyncio.sleep(10.5)
        before = {url: host.attempts for url, host in name.played.items()}
        await asyncio.sleep(3)
        after = {url: host.attempts for url, host in name.played.items()}

    assert {url: after[url] - before[url] for url in after} == {A: 0, B: 3, C: 3}


async def test_nothing_is_left_when_the_gateway_stops(name: Name) -> None:
    """Not a look-up that hangs either."""
    before = asyncio.all_tasks()

    async with name.kept():
        name.answer = 3600.0
        await asyncio.sleep(10.5)

    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        (("10.0.0.1", "10.0.0.2"), ["https://10.0.0.1:9103", "https://10.0.0.2:9103"]),
        (("10.0.0.1", "fd00::1"), ["https://10.0.0.1:9103"]),
        (("fd00::1", "10.0.0.1", "fd00::2"), ["https://[fd00::1]:9103", "https://[fd00::2]:9103"]),
    ],
)
async def test_each_address_of_a_name_is_a_host(addresses: Any, found: list[str]) -> None:
    """Of the kind that comes first: a host with an address of either kind is one host."""
    policy = DiscoverPolicy(a="users.internal", port=9103, scheme="https")

    places = await make_find(policy, NamesState(lambda _: addresses))()

    assert places == [Place(url) for url in found]


async def test_a_name_is_looked_up_each_time() -> None:
    """What connections keep of it is not asked."""
    answers = iter([("10.0.0.1",), ("10.0.0.2",)])
    names = NamesState(lambda _: next(answers))
    find = make_find(DiscoverPolicy(a="users.internal"), names)

    assert [await find(), await find()] == [[Place(A)], [Place(B)]]


async def test_each_record_of_a_service_is_a_host() -> None:
    """With its port, priority and weight; a weight of 0 is a very small one."""

    async def records(name: str) -> list[Service]:
        assert name == "_http._tcp.users.internal"
        return [Service("one.internal", 81, 0, 10), Service("two.internal", 82, 1, 0)]

    policy = DiscoverPolicy(srv="_http._tcp.users.internal")

    places = await make_find(policy, NamesState(), records)()

    assert places == [Place("http://one.internal:81", 0, 10), Place("http://two.internal:82", 1, LIGHTEST)]
