"""Lines on their way to a file descriptor that may block: they wait in a bounded queue, and one thread writes them.

1  a line is put in, by whoever holds the handler's lock; where there is no room for it, it is lost and counted
2  the thread wakes, lets more of them come, and writes them: whole lines at once, as many as a pipe takes in one piece
3  what is lost is told once a second at most
4  at the end what waits is written, for so many seconds at most
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, TypeAlias

MOST_WAITING = 4 * 1024**2
"""Bytes: what a thousand requests a second say in ten seconds."""

GATHER = 0.02
"""Seconds that the first line waits for others: a thread that wakes for each would cost more than the line."""

TELL_EVERY = 1.0
"""Seconds between two words on lines that are lost."""

GRACE = 1.0
"""Seconds that the last lines may take."""

_AT_ONCE = 4096
"""Bytes that a pipe takes whole or not at all (PIPE_BUF of Linux), so that lines of several processes do not mix."""

Write: TypeAlias = Callable[[bytes], int]


class WriterState:
    """The queue of one process, and its thread."""

    def __init__(self, write: Write, tell: Callable[[int], bytes], most: int = MOST_WAITING) -> None:
        """`write` may block, and says how many bytes it took; `tell` makes a line of how many were lost."""
        self.lost = 0
        """Lines lost until now."""

        self._write, self._tell, self._most = write, tell, most
        self._waiting: deque[bytes] = deque()
        # Each is counted up by one thread alone.
        self._put, self._taken, self._told = 0, 0, 0
        self._told_at = -TELL_EVERY
        self._due, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-write", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:  # 1
        """Have a line written. Never waits; one caller at a time."""
        if self._put - self._taken + len(line) > self._most:
            self.lost += 1
            return
        self._put += len(line)
        self._waiting.append(line)
        if not self._due.is_set():
            self._due.set()

    def stop(self) -> None:
        """Write what waits, and end; after the grace whatever is left is left."""
        self._closing.set()
        self._due.set()
        self._thread.join(GRACE)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._due.wait()
            is_last = self._closing.wait(GATHER)
            self._due.clear()  # what is put in from here on wakes it again
            self._drain()

    def _drain(self) -> None:  # 2
        while batch := b"".join(self._batch()):
            self._push(batch)
            self._taken += len(batch)
            self._tell_lost()
        self._tell_lost()

    def _batch(self) -> Iterator[bytes]:
        """Lines that go at once, and one at least."""
        size = 0
        while self._waiting and (not size or size + len(self._waiting[0]) <= _AT_ONCE):
            line = self._waiting.popleft()
            size += len(line)
            yield line

    def _tell_lost(self) -> None:  # 3
        lost, now = self.lost, time.monotonic()
        if lost > self._told and (now - self._told_at >= TELL_EVERY or self._closing.is_set()):
            self._push(self._tell(lost - self._told))
            self._told, self._told_at = lost, now

    def _push(self, data: bytes) -> None:
        while data:
            try:
                data = data[self._write(data) :]
            except BlockingIOError:
                # Somebody else has made it one that does not block.
                time.sleep(GATHER)
            except (OSError, ValueError):
                return  # nobody is there to read it


def writes_to(stream: IO[str]) -> Write:
    """What writes to a stream: to its descriptor, since the stream's own lock would be held when the process wants to end."""
    descriptor = None
    with suppress(OSError, ValueError):
        descriptor = stream.fileno()

    def write(data: bytes) -> int:
        if descriptor is not None:
            return os.write(descriptor, data)
        stream.write(data.decode("utf-8", "replace"))
        stream.flush()
        return len(data)

    return write
