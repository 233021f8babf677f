"""Lines on their way out: in order, bounded, and that nobody waits for who reads them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.logs import LogPolicy, logging_to
from gateway.logs import lost as lost_lines
from gateway.logs.writing import WriterState


class Reader:
    """Takes what is written, when it is let."""

    def __init__(self, *, open_: bool = True, at_once: int = 10**9) -> None:
        self.taken: list[bytes] = []
        self.gate = threading.Event()
        self.at_once = at_once
        self.began = threading.Event()
        if open_:
            self.gate.set()

    def __call__(self, data: bytes) -> int:
        self.began.set()
        self.gate.wait(10)
        self.taken.append(data[: self.at_once])
        return len(self.taken[-1])


def told(count: int) -> bytes:
    """The line about lines that are lost."""
    return b"<%d lost>" % count


def test_everything_is_written_in_order() -> None:
    """In as few pieces as a pipe takes whole; what is taken in part goes on where it stopped."""
    reader = Reader(at_once=3000)
    writer = WriterState(reader, told)

    lines = [b"%04d" % number * 100 + b"\n" for number in range(50)]
    for line in lines:
        writer.put(line)
    writer.stop()

    assert b"".join(reader.taken) == b"".join(lines)
    assert max(map(len, reader.taken)) <= 3000


def test_a_batch_is_whole_lines() -> None:
    """Those of another process do not get between; one that is longer goes alone."""
    reader = Reader()
    writer = WriterState(reader, told)

    for length in (3000, 3000, 5000, 10):
        writer.put(b"x" * length)
    writer.stop()

    assert [len(piece) for piece in reader.taken] == [3000, 3000, 5000, 10]


def test_what_there_is_no_room_for_is_lost_and_told() -> None:
    """Whoever logs does not wait; when somebody reads again he learns how many."""
    reader = Reader(open_=False)
    writer = WriterState(reader, told, most=10)

    writer.put(b"1234567890")
    assert reader.began.wait(5)
    for _ in range(3):
        writer.put(b"lost")
    reader.gate.set()
    writer.stop()

    assert (writer.lost, reader.taken) == (3, [b"1234567890", b"<3 lost>"])


def test_there_is_room_again_when_something_was_taken() -> None:
    """The bound is of what waits."""
    reader = Reader()
    writer = WriterState(reader, told, most=10)

    for _ in range(5):
        writer.put(b"1234567890")
        patience = time.monotonic() + 5
        while not (len(b"".join(reader.taken)) % 10 == 0 and writer._put == writer._taken) and time.monotonic() < patience:
            time.sleep(0.001)
    writer.stop()

    assert (writer.lost, len(reader.taken)) == (0, 5)


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("closed")])
def test_who_is_gone_costs_lines_and_nothing_else(error: Exception) -> None:
    """Standard error may be closed under us."""

    def write(_: bytes) -> int:
        raise error

    writer = WriterState(write, told)
    writer.put(b"x")
    writer.stop()

    assert writer._taken == 1


def test_one_that_does_not_block_is_tried_again() -> None:
    """Somebody else may have made it so."""
    tries = iter([BlockingIOError(), 1])

    def write(_: bytes) -> int:
        if isinstance(came := next(tries), Exception):
            raise came
        return came

    writer = WriterState(write, told)
    writer.put(b"x")
    writer.stop()

    assert next(tries, None) is None


def test_a_pipe_that_nobody_reads_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one: logging goes on at its usual pace, and the end waits for its grace alone."""
    monkeypatch.setattr("gateway.logs.writing.GRACE", 0.05)
    # Another test's may last as long as the process, and lose lines of its own.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        with logging_to(stream, LogPolicy("json", "info")):
            handler: Any = logging.getLogger().handlers[-1]
            for _ in range(1000):
                logging.getLogger("shop").warning("x" * 10_000)
            lost = handler.writer.lost
            assert lost_lines() == lost
        assert lost > 500
        assert lost_lines() == 0  # that handler is gone
        # It ends when somebody reads.
        os.close(reading)
        _until(lambda: not handler.writer._thread.is_alive())


def _until(is_so: Callable[[], bool]) -> None:
    patience = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < patience
        time.sleep(0.005)
