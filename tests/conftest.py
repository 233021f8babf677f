"""Says once that tests without `async` have no event loop, and plays the upstream for all who test without a socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from pydantic_core import to_json

from gateway.call import Call, Reply
from gateway.telemetry import SpanType, Trace
from gateway.verdict import judge

# pytest-asyncio and looptime ask for the current loop around every test. Unless told there is none,
# asyncio makes one for them, which nobody closes: a ResourceWarning, and on Python 3.12 and 3.13 a
# DeprecationWarning too, both of them errors here.
asyncio.set_event_loop(None)


@dataclass(frozen=True)
class After:
    """An answer that takes its time."""

    seconds: float
    answer: Any


@dataclass(eq=False)
class FakeUpstream:
    """An upstream played by the test, as a `Caller`: it answers as scripted and remembers what was asked of it, and when.

    An answer is a status, a `Reply`, an error to raise, a function of the call that gives one of these, or `after(seconds, answer)`.
    A status is judged as a real one: what the call does not accept is `StatusRefused`.
    """

    calls: list[Call] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """Loop time at which each call came in."""

    cancelled: int = 0
    in_flight: int = 0
    lingers: float = 0.0
    """Seconds it takes to end a call that is cancelled."""

    script: deque[Any] = field(default_factory=deque)
    standing: Any = None

    hang = After(3600.0, AssertionError("a call that hangs was left to hang"))

    @property
    def attempts(self) -> int:
        """How often it was asked."""
        return len(self.calls)

    def replies(self, *answers: Any) -> None:
        """Answer the next calls so, one after the other; a call beyond them is an error."""
        self.script.extend(answers)

    def always(self, answer: Any) -> None:
        """Answer every call beyond the script so."""
        self.standing = answer

    @staticmethod
    def after(seconds: float, answer: Any) -> After:
        """An answer after so many seconds."""
        return After(seconds, answer)

    @staticmethod
    def reply(value: Any = None, status: int = 200, **headers: str | list[str]) -> Reply:
        """A reply with this value as JSON; a header's name is written with underscores, a list repeats it."""
        fields = [
            (name.replace("_", "-"), one)
            for name, text in headers.items()
            for one in (text if isinstance(text, list) else [text])
        ]
        return Reply(status, tuple(fields), to_json(value))

    async def __call__(self, call: Call) -> Reply:
        """Answer a call."""
        self.calls.append(call)
        self.times.append(asyncio.get_running_loop().time())
        answer = self.script.popleft() if self.script else self.standing
        assert answer is not None, "asked more often than scripted"
        self.in_flight += 1
        try:
            return await self._answer(call, answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(self.lingers)
            raise
        finally:
            self.in_flight -= 1

    async def _answer(self, call: Call, answer: Any) -> Reply:
        if isinstance(answer, After):
            await asyncio.sleep(answer.seconds)
            answer = answer.answer
        if callable(answer):
            return await self._answer(call, answer(call))
        if isinstance(answer, BaseException):
            raise answer
        reply = self.reply({}, status=answer) if isinstance(answer, int) else answer
        return judge(call, reply.status, reply.headers, reply.body)


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream that answers as the test says."""
    return FakeUpstream()


@pytest.fixture(scope="session")
def new_upstream() -> Callable[[], FakeUpstream]:
    """Makes upstreams, where one is not enough."""
    return FakeUpstream


@pytest.fixture(scope="session")
def make_call() -> Callable[..., Call]:
    """Makes calls, each with a trace of its own; what is not said is a plain GET with ten seconds of virtual time."""

    def make(**parts: Any) -> Call:
        span = Trace(id=1, sampled=True, next_id=count(1).__next__).span(SpanType("step user"), None)
        plain = {"upstream": "users", "method": "GET", "target": "/users/42", "template": "/users/{path.id}"}
        return Call(**{**plain, "deadline": 10.0, "span": span, **parts})

    return make
