"""The record of a request: spans below spans, times that never run backwards, and names that others understand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import count

import pytest

from gateway import errors, telemetry
from gateway.telemetry import Span, SpanType, Trace, error_type


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the clocks of this machine: the wall's, and the one that only goes forward."""

    def set_to(*, wall: int | None = None, monotonic: int | None = None) -> None:
        if wall is not None:
            monkeypatch.setattr(time, "time_ns", lambda: wall)
        if monotonic is not None:
            monkeypatch.setattr(time, "monotonic_ns", lambda: monotonic)

    return set_to


@pytest.fixture
def root() -> Span:
    """The first span of a trace, whose ids count up."""
    return Trace(id=0xA, sampled=True, next_id=count(1).__next__).span(SpanType("GET /v1", "server"), None)


def test_a_child_stands_below_its_span(root: Span) -> None:
    """Spans are kept in the order they began, each with the id of the one above."""
    with root.child(SpanType("step user")) as step, step.child(SpanType("attempt", "client")) as attempt:
        pass
    with root.child(SpanType("shape")) as shape:
        pass

    assert root.trace.spans == [root, step, attempt, shape]
    assert root.trace.root is root
    assert [(span.id, span.parent) for span in root.trace.spans] == [(1, None), (2, 1), (3, 2), (4, 1)]
    assert [span.kind for span in root.trace.spans] == ["server", "internal", "client", "internal"]


def test_a_child_ends_however_its_block_is_left(root: Span) -> None:
    """An exception goes on, and the span has ended; it is not marked unless somebody says so."""
    with pytest.raises(RuntimeError), root.child(SpanType("step user")) as span:
        raise RuntimeError

    assert span.end is not None
    assert not span.error
    assert root.end is None


def test_a_span_tells_how_long_it_took(clock: Callable[..., None]) -> None:
    """Up to now while it runs, and the same for ever once it has ended."""
    clock(wall=1_000, monotonic=0)
    root = Trace(id=1, sampled=True, next_id=count(1).__next__).span(SpanType("GET /v1", "server"), None)

    clock(monotonic=2_000_000_000)
    running = root.seconds
    root.end = root.trace.now()
    clock(monotonic=9_000_000_000)

    assert (root.start, root.end) == (1_000, 2_000_001_000)
    assert (running, root.seconds) == (2.0, 2.0)


@pytest.mark.parametrize("jump", [-3_600_000_000_000, 3_600_000_000_000], ids=["back", "forward"])
def test_a_clock_that_jumps_does_not_bend_a_span(clock: Callable[..., None], jump: int) -> None:
    """The wall clock is read once in a trace; from there on only the monotonic one counts."""
    clock(wall=10**18, monotonic=500)
    root = Trace(id=1, sampled=True, next_id=count(1).__next__).span(SpanType("GET /v1", "server"), None)

    clock(wall=10**18 + jump, monotonic=1_500)
    with root.child(SpanType("step user")) as span:
        clock(wall=10**18 + 2 * jump, monotonic=2_500)

    assert (root.start, span.start, span.end) == (10**18, 10**18 + 1_000, 10**18 + 2_000)


@pytest.mark.parametrize(
    ("trace_id", "span_id", "sampled", "header"),
    [
        (0xA, 1, True, "00-0000000000000000000000000000000a-0000000000000001-01"),
        (2**128 - 1, 2**64 - 1, False, f"00-{'f' * 32}-{'f' * 16}-00"),
    ],
)
def test_a_span_names_itself_as_w3c_wants_it(trace_id: int, span_id: int, sampled: bool, header: str) -> None:
    """Version, trace, parent and flags in lower-case hex, padded with zeros (W3C Trace Context, section 3.2)."""
    span = Trace(id=trace_id, sampled=sampled, next_id=lambda: span_id).span(SpanType("x"), None)

    assert span.traceparent == header
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", span.traceparent)


def test_a_span_that_fails_says_how(root: Span) -> None:
    """The failure stays where it is: it may be retried or absorbed above."""
    with root.child(SpanType("attempt")) as span:
        span.fail("503")

    assert (span.error, span.attributes[telemetry.ERROR_TYPE]) == (True, "503")
    assert (root.error, root.attributes) == (False, {})


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errors.Unreachable("c4n4ry"), "gateway.errors.Unreachable"),
        (ValueError("c4n4ry"), "builtins.ValueError"),
    ],
    ids=["ours", "python's"],
)
def test_an_error_is_named_by_its_class(error: BaseException, name: str) -> None:
    """The full class name, and nothing of its message."""
    assert error_type(error) == name
