"""The background: work that no request waits for, in traces of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import Unreachable
from gateway.export import Tracing
from gateway.telemetry import ERROR_TYPE, Link, Span, Trace
from gateway.upkeep.background import BackgroundState

pytestmark = pytest.mark.looptime


@pytest.fixture
def traces() -> list[Trace]:
    """Those that have been handed on."""
    return []


@pytest.fixture
def background(traces: list[Trace]) -> BackgroundState:
    return BackgroundState(Tracing(sinks=[traces.append]))


@pytest.fixture
def cause(make_call: Callable[..., Any]) -> Span:
    """The span of a step that has been served what is stale."""
    return make_call().span


async def test_work_has_a_trace_of_its_own_that_links_to_its_cause(
    background: BackgroundState, cause: Span, traces: list[Trace]
) -> None:
    """Nobody who looks at the request sees it as a part of it, and whoever looks at the work finds the request."""

    async def work(span: Span) -> None:
        await asyncio.sleep(2)
        given.append(span)

    given: list[Span] = []
    background("refresh users", cause, work)
    await asyncio.sleep(3)

    (trace,) = traces
    assert given == trace.spans == [trace.root]
    assert (trace.root.name, trace.root.seconds >= 0, trace.root.error) == ("refresh users", True, False)
    assert trace.root.links == (Link(cause.trace.id, cause.id, cause.trace.sampled),)
    assert trace.id != cause.trace.id
    assert not background.works


@pytest.mark.parametrize(("error", "logged"), [(Unreachable("down"), 0), (KeyError("name"), 1)], ids=["upstream", "bug"])
async def test_what_goes_wrong_is_told(
    background: BackgroundState, cause: Span, traces: list[Trace], caplog: pytest.LogCaptureFixture, error: Exception, logged: int
) -> None:
    """In its span; a mistake of ours in the log too, since nobody else would hear of it."""

    async def work(_: Span) -> None:
        raise error

    background("refresh users", cause, work)
    await asyncio.sleep(1)

    assert traces[0].root.own[ERROR_TYPE].endswith(type(error).__name__)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * logged


async def test_stopping_ends_it_and_waits_for_the_end(background: BackgroundState, cause: Span, traces: list[Trace]) -> None:
    """What is in flight when the gateway stops is cancelled, with time to clean up, and is no error."""

    async def work(_: Span) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.5)
            cleaned.append(True)

    cleaned: list[bool] = []
    background("refresh users", cause, work)
    await asyncio.sleep(1)
    await background.stop()

    assert cleaned == [True]
    assert not background.works
    assert not traces[0].root.error
