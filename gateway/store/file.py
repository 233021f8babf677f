"""A file by which the workers of one `gateway serve` tell each other what is purged, where there is no Redis.

Each adds lines to it, and looks every so often whether there are more. Who finds it full puts another in its place: whoever has it open
reads it to its end, and goes on with the new one. The first line is its number, so that whoever comes too late for one knows it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.caching.clock import now
from gateway.caching.purging import EVERYTHING, PurgesState
from gateway.formats.decode import decode_json
from gateway.formats.encode import encode_json

EVERY = 0.2
"""Seconds between two looks."""

FULL = 1024 * 1024
"""Bytes from which on the next one is begun: some ten thousand purges."""


class FileBoard:
    """The board of a worker. One that begins has kept nothing yet, and need not know what was purged before."""

    def __init__(self, path: Path, purges: PurgesState, *, full: int = FULL, clock: Callable[[], float] = now) -> None:
        self._path, self._purges, self._full, self._clock = path, purges, full, clock
        self._looking: asyncio.Task[None] | None = None
        with self._held() as file:
            if not os.fstat(file.fileno()).st_size:
                file.write(b"0\n")
        self._open()
        self._file.seek(0, os.SEEK_END)

    def __repr__(self) -> str:
        return f"FileBoard({self._path.name}, {self._number})"

    def start(self) -> None:
        """Look at it from now on."""
        self._looking = asyncio.create_task(self._look_on())

    async def stop(self) -> None:
        """Look no more."""
        if self._looking:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._file.close()

    def tell(self, scope: str, at: float) -> None:
        """It is purged here; the others hear of it when they look."""
        self._purges.purge(scope, at)
        with self._held() as file:
            file.write(encode_json([scope, at]) + b"\n")
            if file.tell() >= self._full:
                self._begin_another(file)

    async def told(self) -> bool:
        """Wait until the others have looked."""
        await asyncio.sleep(EVERY * 1.5)
        return True

    def look(self) -> None:
        """Purge what the others have."""
        # Asked first: what is not the one any more has all that it will ever have.
        is_the_one = _is_same(self._file, self._path)
        self._learn()
        if not is_the_one:
            before = self._number
            self._file.close()
            self._open()
            if self._number > before + 1:
                self._purges.purge(EVERYTHING, self._clock())
            self._learn()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.look()

    def _open(self) -> None:
        self._file = self._path.open("rb")
        self._number = int(self._file.readline())

    def _learn(self) -> None:
        for line in self._file:
            scope, at = decode_json(line)
            self._purges.purge(scope, at)

    @contextmanager
    def _held(self) -> Iterator[BinaryIO]:
        """The file, to be written to by nobody else meanwhile."""
        while True:
            with self._path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_same(file, self._path):
                    yield file
                    return

    def _begin_another(self, file: BinaryIO) -> None:
        """While it is held, so that nobody adds to the old one."""
        with self._path.open("rb") as old:
            number = int(old.readline())
        another = self._path.with_name(f"{self._path.name}.{number + 1}")
        another.write_bytes(b"%d\n" % (number + 1))
        file.flush()
        another.replace(self._path)


def _is_same(file: BinaryIO, path: Path) -> bool:
    here, there = os.fstat(file.fileno()), path.stat()
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
