"""Whether the client is still there: who leaves ends what is in flight for him.

No ASGI server cancels a handler whose client has left: the only word of it is a message that somebody has to wait for. Waiting takes a
task, and with it a request 20 µs more; nearly all are answered before anybody would leave. So one timer for all of them starts to wait
for the clients of those that are still in flight after a while: 1.1 µs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.types import Receive

ROUND = 0.05
"""Seconds between two rounds; a client is waited for from the second one on, which is after 50 to 100 ms."""


class ClientGone(Exception):
    """The client has left; there is nobody to answer."""


class Visit:
    """`with visits.of(receive):` is left by `ClientGone` when the client leaves before the block has ended.

    Whatever the block awaits is cancelled. A cancellation by somebody else passes through.
    """

    __slots__ = ("_cancelling", "_gone", "_receive", "_task", "_visits", "_watch")

    def __init__(self, visits: VisitsState, receive: Receive) -> None:
        self._visits = visits
        self._receive = receive
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # there is no other way to await
        self._task = task
        self._cancelling = task.cancelling()
        visits = self._visits
        visits.new.add(self)
        if visits.timer is None:
            visits.begin_rounds()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._visits.new.discard(self)
        self._visits.old.discard(self)
        if self._watch:
            self._watch.cancel()
            # It has us: a second of slow requests would be a tenth of a second's garbage.
            self._watch = None
        # Who else has cancelled the task wants all of it to end, whether the client is there or not.
        if self._gone and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise ClientGone from error

    def watch(self) -> None:
        """Begin to wait for the client to leave."""
        self._watch = asyncio.get_running_loop().create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()


@dataclass(slots=True)
class VisitsState:
    """The requests in flight whose clients nobody waits for yet."""

    new: set[Visit] = field(default_factory=set)
    old: set[Visit] = field(default_factory=set)
    """Those that have seen a round."""

    timer: asyncio.TimerHandle | None = None

    def of(self, receive: Receive) -> Visit:
        """The visit of a client who is heard by `receive`, and by nobody else meanwhile."""
        return Visit(self, receive)

    def begin_rounds(self) -> None:
        """Somebody is there again."""
        self.timer = asyncio.get_running_loop().call_later(ROUND, self._go_round)

    def _go_round(self) -> None:
        for visit in self.old:
            visit.watch()
        self.old, self.new, self.timer = self.new, set(), None
        if self.old:
            self.begin_rounds()
