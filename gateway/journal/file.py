"""The file that traces are kept in: SQLite, which several processes may write to and read from at once. Blocks; used in threads alone."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from gateway.journal.record import Summary
from gateway.journal.search import Search

MOST_ROWS = 20_000
MOST_BYTES = 64 * 1024 * 1024
"""Of what is kept; the oldest go."""

PATIENCE = 1.0
"""Seconds that another process may keep this one from writing."""

LEFT = 0
"""In the place of a process: those that are no more."""

_OURS = 0x46616E69
"""`application_id`: tells a journal from other programs' files."""

_VERSION = 1
"""`user_version`: another one has other tables."""

_COLUMNS = tuple(one.name for one in fields(Summary) if one.name != "seq")
_SUMMARY = f"{', '.join(_COLUMNS)}, seq"

# What rows are found by is apart from what they hold, so that looking through all of them takes a millisecond.
_SCHEMA = (
    f"CREATE TABLE traces (seq INTEGER PRIMARY KEY AUTOINCREMENT, {', '.join(_COLUMNS)})",
    "CREATE INDEX traces_by_id ON traces (trace)",
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, record BLOB)",
    "CREATE TABLE workers (process INTEGER PRIMARY KEY, at REAL, told BLOB)",
)


class Unusable(Exception):
    """The file cannot be a journal; says why."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process of the gateway last told of itself."""

    process: int
    at: float
    """Seconds since the epoch."""

    told: bytes
    """JSON."""


class JournalFile:
    """An open file. All may raise `sqlite3.Error`."""

    def __init__(self, path: Path, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> None:
        """Open the file, or make it, for this user's eyes alone. Raises `Unusable`."""
        self.most_rows, self.most_bytes = most_rows, most_bytes
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise Unusable(str(error)) from error
        try:
            self._claim()
        except (Unusable, sqlite3.Error) as error:
            self._connection.close()
            raise Unusable(str(error)) from error

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def add(self, rows: Sequence[tuple[Summary, bytes]], worker: Worker | None = None) -> None:
        """Add traces, and what this process tells of itself; the oldest make room."""
        with self._writing():
            for summary, record in rows:
                marks = ", ".join("?" * len(_COLUMNS))
                added = self._connection.execute(
                    f"INSERT INTO traces ({', '.join(_COLUMNS)}) VALUES ({marks})", astuple(summary)[:-1]
                )
                self._connection.execute("INSERT INTO records VALUES (?, ?)", (added.lastrowid, record))
            if worker:
                self._connection.execute("INSERT OR REPLACE INTO workers VALUES (?, ?, ?)", astuple(worker))
            if rows:
                self._make_room()

    def fold(self, process: int, before: float, add_up: Callable[[Sequence[bytes]], bytes]) -> None:
        """This process leaves, or is about to begin; and there may be others that are no more, and have told nothing since then. What they
        told last is kept as one word, so that it does not go with them.
        """
        with self._writing():
            found = self._rows("SELECT process, told FROM workers WHERE process IN (?, ?) OR at < ?", process, LEFT, before)
            left = {one: told for one, told in found if one in (process, LEFT) or not _is_there(one)}
            for one in left:
                self._connection.execute("DELETE FROM workers WHERE process = ?", (one,))
            if left:
                self._connection.execute("INSERT INTO workers VALUES (?, ?, ?)", (LEFT, 0.0, add_up([*left.values()])))

    def search(self, search: Search) -> list[Summary]:
        """Those asked for, the newest first."""
        where, values = search.where()
        return self._summaries(f"WHERE {where} ORDER BY seq DESC LIMIT ?", *values, search.limit)

    def since(self, seq: int, limit: int) -> list[Summary]:
        """What has come after a row, the oldest first; of more than so many, the newest."""
        return self._summaries("WHERE seq > ? ORDER BY seq DESC LIMIT ?", seq, limit)[::-1]

    def last(self) -> int:
        """`seq` of the newest row; 0 where there is none."""
        return int(self._value("SELECT coalesce(max(seq), 0) FROM traces"))

    def find(self, trace: str, span: str | None = None) -> bytes | None:
        """The record of a trace: of its newest request, or of that with this root."""
        condition = "trace = ?" if span is None else "trace = ? AND span = ?"
        found = self._rows(
            f"SELECT record FROM traces JOIN records USING (seq) WHERE {condition} ORDER BY seq DESC LIMIT 1",
            *(part for part in (trace, span) if part is not None),
        )
        return found[0][0] if found else None

    def workers(self, since: float) -> list[Worker]:
        """The processes that have told something of themselves since then."""
        return [one for one in self.everyone() if one.process != LEFT and one.at >= since]

    def everyone(self) -> list[Worker]:
        """All that ever told something of themselves; those that have left as one, whose process is `LEFT`."""
        return [Worker(*row) for row in self._rows("SELECT * FROM workers ORDER BY process")]

    def _claim(self) -> None:
        """Make the tables in a file that is empty; see whether one that is not is a journal, before anything is done to it."""
        self._is_ours()
        self._go_on_beside_others()
        self._connection.execute("PRAGMA journal_size_limit = 4194304")
        # What the machine's end costs is the last second of it.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with self._writing():
            if self._is_ours():
                return
            for statement in (*_SCHEMA, f"PRAGMA application_id = {_OURS}", f"PRAGMA user_version = {_VERSION}"):
                self._connection.execute(statement)

    def _is_ours(self) -> bool:
        """The tables are there. Raises `Unusable` when others are."""
        if not self._value("SELECT count(*) FROM sqlite_master"):
            return False
        if self._value("PRAGMA application_id") != _OURS:
            raise Unusable("it is another program's database")
        if self._value("PRAGMA user_version") != _VERSION:
            raise Unusable("another version of the gateway has written it")
        return True

    def _go_on_beside_others(self) -> None:
        """Who reads does not wait for who writes. While two processes ask for it at once, SQLite turns one away without waiting."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() >= until:
                    raise
            time.sleep(0.01)

    def _make_room(self) -> None:
        last = self.last()
        pages = self._value("PRAGMA page_count") - self._value("PRAGMA freelist_count")
        oldest = last - self.most_rows
        if pages * self._value("PRAGMA page_size") > self.most_bytes:
            first = int(self._value("SELECT coalesce(min(seq), 0) FROM traces"))
            oldest = max(oldest, first + (last - first) // 10)
        for table in ("traces", "records"):
            self._connection.execute(f"DELETE FROM {table} WHERE seq <= ?", (oldest,))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _summaries(self, which: str, *values: Any) -> list[Summary]:
        return [_summary(*row) for row in self._rows(f"SELECT {_SUMMARY} FROM traces {which}", *values)]

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(self._connection.execute(sql, values)) as cursor:
            return cursor.fetchall()

    def _value(self, sql: str) -> int:
        return int(self._rows(sql)[0][0])


def _is_there(process: int) -> bool:
    """It has not ended, though it may be silent: what it has told so far it will tell again."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _summary(*row: Any) -> Summary:
    made = dict(zip((*_COLUMNS, "seq"), row, strict=True))
    complete = made["complete"]
    return Summary(**{**made, "complete": None if complete is None else bool(complete)})
