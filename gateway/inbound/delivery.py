"""An answer in parts: each is sent as soon as all that it names has ended, and at last what is missing.

Until the first part is ready nothing is sent, so that a client learns of a failure by its status for as long as that can be said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.types import Send

from gateway import telemetry
from gateway.answer.shape import Part
from gateway.call import Failed
from gateway.errors import CallError, CallTimeout
from gateway.execute import Ran
from gateway.expressions.reference import Unresolved
from gateway.formats.decode import Undecodable
from gateway.formats.encode import Unencodable
from gateway.inbound.parts import Parts
from gateway.inbound.response import UNSHAPEABLE, VARY, WITHOUT_BODY, check_made, head_of, server_timing, told_undone
from gateway.inbound.visit import ClientGone
from gateway.limit import Limit, LimitsState
from gateway.problem import NO_STORE, Problem, of_error
from gateway.telemetry import Span

PIECE = 64 * 1024
"""Bytes that are handed to the server at once: a slow reader has not much more than that waiting for it."""

PATIENCE = 30.0
"""Seconds that a client may take for a piece; one that takes longer is treated as one that has left."""

BEAT = 15.0
"""Seconds without a word after which something is said, so that nobody on the way takes the connection for a dead one."""

_IN_PARTS = (NO_STORE, VARY, (b"x-accel-buffering", b"no"))
"""nginx would otherwise keep the parts until it has them all."""


@dataclass(slots=True)
class Delivery:
    """One answer on its way."""

    parts: Parts
    send: Send
    span: Span
    """The request's."""

    limits: LimitsState
    off_loop: Callable[[Callable[[], Any]], Awaitable[Any]]
    """Makes something that takes long in a thread. Raises `CallTimeout`."""

    server_timing: bool
    """Say at the end how long each step took, since it is too late for the header."""

    begun: bool = False
    """The head has been sent."""

    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _so_far: Ran | None = None

    def note(self, ran: Ran) -> None:
        """A step has ended (`execute.OnEnd`)."""
        self._so_far = ran
        self._news.set()

    async def __call__(self, running: Coroutine[Any, Any, Ran]) -> Ran | Problem | None:
        """Send the answer while it is made: then there is nothing left to say. Else what the run came to, or why nothing can be sent."""
        run = self.limits.loop.create_task(running)
        run.add_done_callback(lambda _: self._news.set())
        try:
            while not run.done():
                await self._wait()
                if self._so_far and not run.done():
                    await self._send_ready(self._so_far)
            return await self._finish(run.result())
        except (Unencodable, Undecodable, Unresolved, CallTimeout) as error:
            problem = of_error(error) if isinstance(error, CallError) else UNSHAPEABLE
            if not self.begun:
                return problem
            await self._break_off(problem)
            return None
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    async def _wait(self) -> None:
        beat = self.parts.form.beat if self.begun else b""
        try:
            async with asyncio.timeout(BEAT if beat else None):
                await self._news.wait()
        except TimeoutError:
            await self._hand_over(beat)
        self._news.clear()

    async def _send_ready(self, ran: Ran) -> None:
        if ready := self.parts.ready(ran):
            await self._write([await self._event(part, ran) for part in ready], ran)

    async def _finish(self, ran: Ran) -> Ran | None:
        """Send what is left, or why there is no more to come."""
        if ran.broken:
            if not self.begun:
                return ran
            outcome = ran.outcomes[ran.broken]
            assert isinstance(outcome, Failed)  # nothing is sent while a step may still end the answer in another way
            await self._break_off(told_undone(of_error(outcome.error), ran.undone), **self._timing(ran))
            return None
        with self.span.child(telemetry.SHAPE) as shaping:
            events = [await self._event(part, ran) for part in self.parts.left]
            _, _, unmade = head_of(self.parts.plan, ran)
            lacking = self.parts.lacking(ran, unmade)
            shaping.own[telemetry.ANSWER_COMPLETE] = not lacking
        events.append(self.parts.tell_end(lacking, **self._timing(ran)))
        await self._write(events, ran)
        await self._hand_over(b"", more=False)
        return None

    async def _event(self, part: Part, ran: Ran) -> bytes:
        missing: dict[str, str] = {}
        make = partial(part.fill, ran.scope, missing)
        value = await self.off_loop(make) if self.parts.plan.shape.off_loop else make()
        check_made(value, missing)
        return self.parts.tell(part, value, missing, ran)

    def _timing(self, ran: Ran) -> dict[str, str]:
        return {"server_timing": server_timing(self.parts.plan, ran, self.span.trace)} if self.server_timing else {}

    async def _break_off(self, problem: Problem, **more: str) -> None:
        if problem.status >= 500:
            self.span.fail(str(problem.status))
        await self._hand_over(self.parts.tell_problem(problem, **more))
        await self._hand_over(b"", more=False)

    async def _write(self, events: list[bytes], ran: Ran) -> None:
        if not self.begun:
            await self._begin(ran)
        data = b"".join(events)
        for start in range(0, len(data), PIECE):
            await self._hand_over(data[start : start + PIECE])

    async def _begin(self, ran: Ran) -> None:
        status, lines, _ = head_of(self.parts.plan, ran)
        own = (line for line in lines if line[0] != b"cache-control")
        parent = (b"traceparent", self.span.traceparent.encode())
        headers = [(b"content-type", self.parts.form.content_type), *_IN_PARTS, *own, parent]
        self.span.own[telemetry.HTTP_STATUS] = status = 200 if status in WITHOUT_BODY else status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        self.begun = True

    async def _hand_over(self, piece: bytes, *, more: bool = True) -> None:
        try:
            with Limit(self.limits, self.limits.loop.time() + PATIENCE):
                await self.send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError as error:
            raise ClientGone from error
