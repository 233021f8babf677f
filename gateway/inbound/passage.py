"""The client's end of a call whose bodies go by: what it sends is given to the upstream, what the upstream sends is given to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from starlette.types import Message, Receive, Send

from gateway.inbound.request import Refused
from gateway.inbound.visit import ClientGone
from gateway.limit import Limit, LimitsState
from gateway.passage import Flow
from gateway.problem import Problem, RawHeaders, of_status
from gateway.syntax import BODILESS


class CutOff(Exception):
    """An answer that has begun does not go on.

    Raised out of the app, so that the server closes the connection without ending the body, and no middleware ends it either: nobody
    takes what came for the whole.
    """


def leave_out(send: Send, name: bytes) -> bool:
    """Have the server not say this field by itself, so that the answer can; false when it cannot be told, as it is not uvicorn, or somebody
    stands between.
    """
    answer = getattr(send, "__self__", None)
    defaults = getattr(answer, "default_headers", None)
    if not isinstance(defaults, list):
        return False
    vars(answer)["default_headers"] = [line for line in defaults if line[0] != name]
    return True


class ClientPassage:
    """A passage to and from a client by ASGI. Either side is given up when the client is silent for too long."""

    def __init__(
        self,
        flow: Flow,
        receive: Receive,
        send: Send,
        limits: LimitsState,
        head: Callable[[int, Iterable[tuple[bytes, bytes]]], RawHeaders],
    ) -> None:
        self.flow = flow
        self._receive = receive
        self._send = send
        self._limits = limits
        self._head = head
        """Makes the head of the answer from that of the reply."""

        self._is_through = asyncio.Event()
        if flow.length == 0:
            self._is_through.set()

    async def body(self) -> AsyncIterator[bytes]:
        """What the client sends. Raises `ClientGone`, `Refused`, and `CutOff` when it has been answered."""
        more = True
        while more:
            message = await self._message()
            part, more = message.get("body", b""), message.get("more_body", False)
            self.flow.sent += len(part)
            self._check_length(more)
            if not more:
                self._is_through.set()
            if part:
                yield part

    async def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send the head. Raises `BadReply`, `CutOff`."""
        fields = self._head(status, headers)
        self.flow.status = status
        await self._give({"type": "http.response.start", "status": status, "headers": fields})

    async def take(self, part: bytes) -> None:
        """Send a part. Raises `CutOff`."""
        if self.flow.status not in BODILESS:
            self.flow.received += len(part)
            await self._give({"type": "http.response.body", "body": part, "more_body": True})

    async def end(self) -> None:
        """That was all. Raises `CutOff`."""
        await self._give({"type": "http.response.body", "body": b"", "more_body": False})

    async def departure(self) -> Message:
        """What the client says when it has sent its body: that it leaves."""
        await self._is_through.wait()
        return await self._receive()

    async def _message(self) -> Message:
        try:
            with Limit(self._limits, self._limits.loop.time() + self.flow.idle):
                message = await self._receive()
        except TimeoutError:
            raise self._refusal(of_status(408, "Request Timeout")) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message

    def _check_length(self, more: bool) -> None:
        length = self.flow.length
        if length is not None and (self.flow.sent > length or (self.flow.sent < length and not more)):
            raise self._refusal(of_status(400, "Bad Request", "the body is not as long as its Content-Length"))

    def _refusal(self, problem: Problem) -> Exception:
        return CutOff(problem.title) if self.flow.status else Refused(problem)

    async def _give(self, message: dict[str, Any]) -> None:
        try:
            with Limit(self._limits, self._limits.loop.time() + self.flow.idle):
                await self._send(message)
        except TimeoutError:
            raise CutOff("the client does not take what it asked for") from None
