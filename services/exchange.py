"""One request and its answer, with an eye on the caller: who leaves is noticed at once, even in the middle of a wait.

ASGI tells that the caller left only to who asks `receive` for it, and an app that waits does not ask. So `receive`
is watched here from the first moment on, and what it gives besides is kept for the app.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from starlette.types import Message, Receive, Scope, Send


class Exchange:
    """The `scope`, `receive` and `send` that an app is given; `answered` and `gone` tell how it stands."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.gone = asyncio.Event()
        self.answered = False
        self._receive = receive
        self._send = send
        self._body: asyncio.Queue[Message] = asyncio.Queue()

    @property
    def abandoned(self) -> bool:
        """The caller left before its answer was complete."""
        return self.gone.is_set() and not self.answered

    async def hold(self, work: Coroutine[None, None, None]) -> None:
        """Work until the work is done or the caller has left; what the work raises is raised here."""
        task = asyncio.create_task(work)
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
            if self.answered:  # servers also tell `gone` when an answer is complete: let the work end by itself
                await asyncio.wait((task,))
        finally:
            task.cancel()
            watch.cancel()
            await asyncio.gather(task, watch, return_exceptions=True)
        if not task.cancelled():
            task.result()

    async def receive(self) -> Message:
        """Give the next part of the request's body, then wait for the caller to leave."""
        return await self._body.get()

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        await self._send(message)
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and not self.gone.is_set():
            self.answered = True

    async def _watch(self) -> None:
        while not self.gone.is_set():
            message = await self._receive()
            self._body.put_nowait(message)
            if message["type"] == "http.disconnect":
                self.gone.set()
