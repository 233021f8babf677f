"""One process's hand in the journal: what waits to be written, the thread that writes it, and another one that reads.

1  a trace that is to be kept waits; where too many do, it is lost and counted
2  five times a second what waits is written, and once a second what this process tells of itself
3  a file that cannot be written costs what was to be written; that is said once, and so is its end
4  at the end what waits is written, for `GRACE` seconds at most
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

from gateway.events import JOURNAL_BACK, JOURNAL_LOST
from gateway.formats.encode import Unencodable
from gateway.formats.hiding import Hide
from gateway.journal.file import LEFT, JournalFile, Unusable, Worker
from gateway.journal.keeping import KeepingState
from gateway.journal.record import Finished, Service, Summary, pack, summarise
from gateway.story import NOBODY, Needs
from gateway.telemetry import Trace

EVERY = 0.2
"""Seconds between two writes."""

TELL_EVERY = 1.0
"""Seconds between two words of a process about itself."""

RARELY = 50
"""How many times longer a process's word stands than it took to work out: a thousand busy endpoints have a megabyte to tell."""

GONE = 3.0
"""Seconds without one after which a process is taken to have ended."""

GRACE = 1.0
"""Seconds that the last write may take."""

MOST_WAITING = 1000
"""Traces: those of ten seconds, at the rate at which they are kept."""

_AT_ONCE = 200
"""Rows of one write, so that other processes get their turn."""

_log = logging.getLogger(__name__)

Found = TypeVar("Found")
Tell: TypeAlias = Callable[[], Callable[[], bytes]]
AddUp: TypeAlias = Callable[[Sequence[bytes]], bytes]


class JournalState:
    """The journal, as long as the gateway runs."""

    def __init__(
        self,
        path: Path,
        needs: Mapping[str, Needs],
        service: Service,
        keeping: KeepingState | None = None,
        add_up: AddUp = lambda _: b"{}",
        hide: Hide = str,
    ) -> None:
        """Open the file. `add_up` makes one of what several processes have told of themselves; `hide` takes out of a text what must not be
        kept. Raises `Unusable`.
        """
        self.service = service
        self.lost = 0
        """Traces that were to be kept and are not."""

        self.tell: Tell = lambda: lambda: b"{}"
        """What this process tells of itself: taken on the loop once a second, worked out as JSON by who writes it."""

        self._add_up, self._hide = add_up, hide
        self._told: Callable[[], bytes] | None = None
        """What is to be written, until it is."""

        self._word, self._took = b"{}", 0.0
        """What was written last, and how many seconds it took to work out."""

        self._telling = threading.Lock()
        """Held from its taking to its having been written: no word comes after a newer one."""

        self._path = path
        self._needs = needs
        self._keeping = keeping or KeepingState()
        self._file = JournalFile(path)
        self._waiting: deque[Finished] = deque()
        self._closing = threading.Event()
        self._next_tell = 0.0
        self._is_in_trouble = False
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="journal-read")
        self._reader: JournalFile | None = None

    def put(self, trace: Trace) -> None:  # 1
        """Keep a finished trace, if it is one to be kept. Called on the loop; takes 1 µs."""
        stands_for = self._keeping.keep(trace)
        if not stands_for:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append(Finished(trace, [*trace.spans], stands_for))

    async def ask(self, question: Callable[[JournalFile], Found]) -> Found:
        """Ask the file something, in the thread that reads. Raises `sqlite3.Error`, `Unusable`."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._answer, question)

    async def workers(self) -> list[Worker]:
        """What each process of the gateway has last told of itself."""
        return await self.ask(lambda file: file.workers(_now() - GONE))

    async def everyone(self) -> list[Worker]:
        """The same, and what those have told that are no more; of this process it is of now. Raises `sqlite3.Error`, `Unusable`."""
        self.look()
        return await self.ask(self._exchange)

    def look(self) -> float:
        """Take what this process tells of itself, on the loop. Gives the seconds until it is worth another look: who has much to tell spends
        little of his time on it.
        """
        self._told = self.tell()
        return max(TELL_EVERY, self._took * RARELY)

    def start(self) -> threading.Thread:
        """Begin to write, in a thread that keeps no process from ending."""
        thread = threading.Thread(target=self._write_all, name="journal-write", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Write what waits, and end."""
        self._closing.set()
        with suppress(RuntimeError):
            self._reading.submit(self._stop_reading)
        self._reading.shutdown(wait=False)

    def _answer(self, question: Callable[[JournalFile], Found]) -> Found:
        self._reader = self._reader or JournalFile(self._path)
        return question(self._reader)

    def _exchange(self, file: JournalFile) -> list[Worker]:
        with self._telling:
            if worker := self._worker():
                file.add([], worker)
        return file.everyone()

    def _stop_reading(self) -> None:
        if self._reader:
            self._reader.close()

    def _write_all(self) -> None:  # 2
        self._fold()
        while not self._closing.wait(EVERY):
            self._write()
        while self._waiting or self._told:  # 4
            self._write()
        self._fold()
        self._file.close()

    def _fold(self) -> None:
        try:
            self._file.fold(self.service.process, _now() - GONE, self._add_up)
        except sqlite3.Error:
            # Who starts next does it.
            _log.debug("what left processes have told is not added up", exc_info=True)

    def _write(self) -> None:
        try:
            self._write_batch()
        except Exception:
            # A bug of ours must not be the end of the journal.
            _log.exception("traces are lost to the journal")

    def _write_batch(self) -> None:
        with self._telling:
            self._add_batch(self._worker())

    def _add_batch(self, worker: Worker | None) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
        if not batch and not worker:
            return
        rows = [*self._packed(batch)]
        try:
            self._file.add(rows, worker)
        except sqlite3.Error as error:
            self.lost += len(rows)
            self._tell(str(error))
        else:
            self._tell(None)

    def _packed(self, batch: list[Finished]) -> Iterator[tuple[Summary, bytes]]:
        for finished in batch:
            try:
                record = pack(finished, self._needs.get(finished.spans[0].name, NOBODY), self.service, self._hide)
                yield summarise(finished, self.service), record
            except Unencodable:
                self.lost += 1

    def _worker(self) -> Worker | None:
        told, self._told = self._told, None
        began = time.monotonic()
        if told:
            self._word = told()
            self._took = time.monotonic() - began
        elif began < self._next_tell:
            return None
        self._next_tell = began + TELL_EVERY
        return Worker(self.service.process, _now(), self._word)

    def _tell(self, trouble: str | None) -> None:  # 3
        if trouble and not self._is_in_trouble:
            told = JOURNAL_LOST.of(reason=trouble)
            _log.warning("the journal cannot be written, and keeps nothing until it can: %s: %s", self._path, trouble, extra=told)
        elif self._is_in_trouble and not trouble:
            told = JOURNAL_BACK.of(count=self.lost)
            _log.warning("the journal can be written again; %d traces are lost", self.lost, extra=told)
        self._is_in_trouble = trouble is not None


@asynccontextmanager
async def keep_journal(
    path: Path | None, needs: Mapping[str, Needs], version: str, revision: str, add_up: AddUp, hide: Hide = str
) -> AsyncIterator[JournalState | None]:
    """The journal while the block runs; None where none is wanted, or where it cannot be had, which the log is told."""
    service = Service(version, revision, os.getpid())
    journal = None if path is None else await asyncio.to_thread(_open, path, needs, service, add_up, hide)
    if journal is None:
        yield None
        return
    thread, looking = journal.start(), asyncio.create_task(_look(journal))
    try:
        yield journal
    finally:
        looking.cancel()
        journal.look()
        journal.stop()
        await _ended(thread)


async def _look(journal: JournalState) -> None:
    while True:
        pause = journal.look()
        await asyncio.sleep(pause)


def is_there(worker: Worker) -> bool:
    """It has told something of itself just now."""
    return worker.process != LEFT and worker.at >= _now() - GONE


def _open(path: Path, needs: Mapping[str, Needs], service: Service, add_up: AddUp, hide: Hide) -> JournalState | None:
    try:
        return JournalState(path, needs, service, add_up=add_up, hide=hide)
    except Unusable as error:
        _log.warning("there is no journal: %s: %s", path, error)
        return None


async def _ended(thread: threading.Thread) -> None:
    """Wait for a thread, without keeping the loop, for a while."""
    until = time.monotonic() + GRACE
    while thread.is_alive() and time.monotonic() < until:  # noqa: ASYNC110 - a thread has no event for it
        await asyncio.sleep(0.005)


def _now() -> float:
    return time.time_ns() / 1e9
