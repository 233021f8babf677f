"""Whether the client is still there: noticed in time, at no cost to those who are answered at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.inbound.visit import ClientGone, VisitsState

pytestmark = pytest.mark.looptime


class Client:
    """A client that leaves when the test says so, after sending what it still has."""

    def __init__(self, *messages: str) -> None:
        self.left = asyncio.Event()
        self.heard = 0
        self.listening = 0
        self._messages = [*messages]

    async def __call__(self) -> dict[str, Any]:
        """The next message, as ASGI's `receive` gives it."""
        self.heard += 1
        if self._messages:
            return {"type": self._messages.pop(0)}
        self.listening += 1
        try:
            await self.left.wait()
        finally:
            self.listening -= 1
        return {"type": "http.disconnect"}


async def stay(visits: VisitsState, client: Client, ending: Any = None) -> None:
    """A visit that takes a minute, and then however long `ending` takes, which is not forgotten when it is cut short."""
    with visits.of(client):
        try:
            await asyncio.sleep(60)
        finally:
            if ending:
                await ending()


@pytest.mark.parametrize("seconds", [0.0, 0.049, 0.099])
async def test_a_client_that_is_answered_at_once_is_never_asked(seconds: float) -> None:
    """Listening takes a task; whoever is gone by the second round pays for none."""
    visits, client = VisitsState(), Client()

    with visits.of(client):
        await asyncio.sleep(seconds)

    await asyncio.sleep(1)
    assert client.heard == 0
    assert (visits.new, visits.old, visits.timer) == (set(), set(), None)


@pytest.mark.parametrize("after", [0.0, 0.04, 0.07, 0.3])
async def test_a_client_that_leaves_is_noticed_within_a_tenth_of_a_second(after: float) -> None:
    """However early or late; the visit is over when what it was about has ended, not before."""
    client, loop = Client("http.request", "http.request"), asyncio.get_running_loop()
    loop.call_later(after, client.left.set)

    with pytest.raises(ClientGone):
        await stay(VisitsState(), client, lambda: asyncio.sleep(5))

    assert after + 5 <= loop.time() <= max(after, 0.1) + 5.001
    assert asyncio.current_task().cancelling() == 0


async def test_one_timer_serves_all_visits() -> None:
    """Those of another round, too; each is left by its own client alone."""
    visits, clients = VisitsState(), [Client() for _ in range(20)]

    async def visit(number: int) -> str:
        await asyncio.sleep(number / 50)
        try:
            with visits.of(clients[number]):
                await asyncio.sleep(0.5)
        except ClientGone:
            return "gone"
        return "answered"

    visiting = asyncio.gather(*(visit(number) for number in range(20)))
    for client in clients[:10]:
        client.left.set()

    assert await visiting == ["gone"] * 10 + ["answered"] * 10
    assert [client.listening for client in clients] == [0] * 20


@pytest.mark.parametrize("after", [0.01, 0.2])
async def test_a_cancellation_by_somebody_else_passes_through(after: float) -> None:
    """Whether the client is being listened to or not; nobody listens any more when it is over."""
    client = Client()
    staying = asyncio.ensure_future(stay(VisitsState(), client))
    await asyncio.sleep(after)

    staying.cancel()

    with pytest.raises(asyncio.CancelledError):
        await staying
    await asyncio.sleep(0)
    assert client.listening == 0


async def test_a_cancellation_that_comes_after_the_client_left_is_not_forgotten() -> None:
    """Whoever stops the server while a request is being cleared away wants its task to end."""
    client = Client()
    staying = asyncio.ensure_future(stay(VisitsState(), client, lambda: asyncio.sleep(1)))
    client.left.set()
    await asyncio.sleep(0.5)

    staying.cancel()

    with pytest.raises(asyncio.CancelledError):
        await staying


async def test_an_error_is_not_hidden_by_a_client_that_leaves() -> None:
    """What goes wrong while a request is being cleared away is told."""
    client = Client()
    client.left.set()

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stay(VisitsState(), client, fail)

    assert asyncio.current_task().cancelling() == 0
