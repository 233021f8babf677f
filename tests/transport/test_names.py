"""Names are looked up once for all who ask, kept briefly, and a slow one stops nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gateway.transport import NamesState
from gateway.transport.names import KEEP, KEEP_DOUBTED, MOST_AT_ONCE, Unknown, look_up


@dataclass
class Resolver:
    """A name server that answers when it is told to."""

    answers: dict[str, Sequence[str] | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host.startswith("slow"):
            assert self.open.wait(10)
        answer = self.answers.get(host, ("127.0.0.1",))
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def resolver() -> Any:
    """A name server; the names that begin with `slow` wait until it is open."""
    resolver = Resolver()
    yield resolver
    resolver.open.set()


async def test_those_who_ask_at_once_share_one_look_up(resolver: Resolver) -> None:
    names = NamesState(resolver)
    asking = [asyncio.create_task(names.addresses("slow.test")) for _ in range(5)]
    await asyncio.sleep(0)

    resolver.open.set()

    assert await asyncio.gather(*asking) == [("127.0.0.1",)] * 5
    assert resolver.asked == ["slow.test"]


async def test_one_who_stops_waiting_takes_nothing_from_the_others(resolver: Resolver) -> None:
    """Nor does the look-up begin again for who comes later."""
    names = NamesState(resolver)
    first, second = (asyncio.create_task(names.addresses("slow.test")) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    third = asyncio.create_task(names.addresses("slow.test"))
    resolver.open.set()

    assert await second == await third == ("127.0.0.1",)
    assert resolver.asked == ["slow.test"]


async def test_an_answer_is_good_for_its_time(resolver: Resolver) -> None:
    """Then it is asked for again, so that a host may move."""
    now = 0.0
    names = NamesState(resolver, clock=lambda: now)

    first = await names.addresses("a.test")
    resolver.answers["a.test"] = ("127.0.0.2",)
    now = KEEP - 0.1
    kept = await names.addresses("a.test")
    now = KEEP
    later = await names.addresses("a.test")

    assert (first, kept, later) == (("127.0.0.1",), ("127.0.0.1",), ("127.0.0.2",))


async def test_where_nobody_was_found_is_looked_up_again_soon(resolver: Resolver) -> None:
    """The host may have moved; but one that is down is not looked up for every call."""
    now = 100.0
    names = NamesState(resolver, clock=lambda: now)
    await names.addresses("a.test")

    asked = []
    for _ in range(4):
        names.doubt("a.test")
        await names.addresses("a.test")
        asked.append(len(resolver.asked))
        now += KEEP_DOUBTED / 2

    assert asked == [1, 1, 2, 2]


async def test_a_failed_connection_casts_doubt_on_the_name(resolver: Resolver, wiring: Any) -> None:
    """Nobody listens there any more."""
    names = NamesState(resolver)
    async with wiring(names=names) as ours:
        with pytest.raises(httpx.ConnectError):
            await ours.get("http://a.test:1")

    assert names.known["a.test"][1] == KEEP_DOUBTED


@pytest.mark.parametrize("answer", [OSError("no"), UnicodeError("no"), RuntimeError("no"), ()], ids=["os", "name", "bug", "none"])
async def test_a_name_without_an_address_is_unknown_and_asked_for_again(resolver: Resolver, answer: Any) -> None:
    """Whatever the resolver raises; a failure is not kept."""
    names = NamesState(resolver)
    resolver.answers["a.test"] = answer

    with pytest.raises(Unknown):
        await names.addresses("a.test")
    del resolver.answers["a.test"]

    assert await names.addresses("a.test") == ("127.0.0.1",)
    assert not names.asked


async def test_look_ups_are_bounded(resolver: Resolver) -> None:
    """Each has a thread; what is known or an address needs none."""
    names = NamesState(resolver)
    await names.addresses("known.test")
    asking = [asyncio.create_task(names.addresses(f"slow{number}.test")) for number in range(MOST_AT_ONCE)]
    await asyncio.sleep(0)

    with pytest.raises(Unknown, match="too many"):
        await names.addresses("another.test")

    assert await names.addresses("known.test") == ("127.0.0.1",)
    assert await names.addresses("::1") == ("::1",)
    resolver.open.set()
    await asyncio.gather(*asking)
    assert await names.addresses("another.test") == ("127.0.0.1",)


async def test_without_a_thread_a_name_is_unknown(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody is left waiting for it."""
    names = NamesState(resolver)

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Unknown):
            await names.addresses("a.test")

    assert await names.addresses("a.test") == ("127.0.0.1",)


def test_an_answer_after_the_end_of_the_loop_is_nobodys(resolver: Resolver) -> None:
    """The thread outlives the loop without a word."""

    async def ask() -> None:
        asking = asyncio.create_task(NamesState(resolver).addresses("slow.test"))
        await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(ask())
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "look up slow.test"]
    resolver.open.set()
    thread.join(5)

    assert not thread.is_alive()


def test_the_systems_resolver_is_asked() -> None:
    """Addresses, each once, best first."""
    assert set(look_up("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(socket.gaierror):
        look_up("no.such.name.invalid.")


@pytest.mark.slow
async def test_a_slow_name_does_not_delay_another_host(wiring: Any, server: Any, resolver: Resolver) -> None:
    """Fifty calls that wait for one name, and a host next to it that answers at once."""
    server.always(server.reply(b"ok"))
    async with wiring(names=NamesState(resolver)) as ours:
        waiting = [asyncio.create_task(ours.get(f"http://slow.test:{server.port}")) for _ in range(50)]
        await asyncio.sleep(0)

        healthy = [await ours.get(f"http://healthy{number}.test:{server.port}") for number in range(10)]
        assert not any(task.done() for task in waiting)
        resolver.open.set()
        slow = await asyncio.gather(*waiting)

    assert {reply.content for reply in [*healthy, *slow]} == {b"ok"}


@pytest.mark.slow
async def test_a_name_that_nobody_has_is_no_connection(wiring: Any, resolver: Resolver) -> None:
    """And one that nobody answers for is a timeout: in either case nothing was sent, and no place is lost."""
    resolver.answers["none.test"] = OSError("no such name")
    async with wiring(names=NamesState(resolver), connect=0.05) as ours:
        with pytest.raises(httpx.ConnectError):
            await ours.get("http://none.test")
        with pytest.raises(httpx.ConnectTimeout):
            await ours.get("http://slow.test")

        assert ours.open == 0
