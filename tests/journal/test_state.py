"""One process's hand in the journal: what is written, what is lost, what it costs when the file is in trouble, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import Gateway
from gateway.journal import state as journal
from gateway.journal.file import JournalFile
from gateway.journal.keeping import KeepingState, KeepPolicy
from gateway.journal.record import Service, Summary, unpack
from gateway.journal.search import Search
from gateway.journal.state import JournalState, keep_journal
from gateway.telemetry import Span

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test" } }
endpoints:
  - path: /a/{id}
    steps:
      user: { get: "users /users/{path.id}" }
      orders: { get: "users /orders/{user.name}", optional: true }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "journal.sqlite"


@pytest.fixture
def foreign(path: Path) -> Path:
    """A file that is somebody's."""
    path.write_bytes(b"somebody's text")
    return path


@pytest.fixture
async def kept(path: Path) -> AsyncIterator[JournalState]:
    """A journal at work."""
    async with keep_journal(path, {}, "0.1.0", "abc", b"".join) as made:
        assert made
        yield made


def told(path: Path) -> list[bytes]:
    """What processes have told of themselves."""
    file = JournalFile(path)
    try:
        return [one.told for one in file.workers(0.0)]
    finally:
        file.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - a thread has no event for it
            await asyncio.sleep(0.01)


async def written(state: JournalState, path: Path, count: int) -> list[Summary]:
    """So many rows, once they are there."""
    await until(lambda: len(look(path)) >= count)
    return await state.ask(lambda file: file.search(Search()))


def look(path: Path) -> list[Summary]:
    """What is in the file."""
    file = JournalFile(path)
    try:
        return file.search(Search())
    finally:
        file.close()


async def test_a_request_of_the_gateway_is_found_again(path: Path) -> None:
    """With its attempts although nobody exports them, and what its steps need."""
    wire = httpx.MockTransport(lambda request: httpx.Response(200, json={"name": "ada"}))
    gateway = Gateway.from_text(CONFIG, transport=wire, journal=path)

    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        answer = await client.get("http://localhost/a/7")
        assert gateway.running
        assert gateway.running.journal
        (found,) = await written(gateway.running.journal, path, 1)
        record = unpack(await gateway.running.journal.ask(lambda file: file.find(found.trace)) or b"")

    assert answer.headers["traceparent"].split("-")[1:3] == [found.trace, found.span]
    assert [span.name for span in record.trace.spans] == [
        "GET /a/{id}",
        "step user",
        "GET /users/{path.id}",
        "step orders",
        "GET /orders/{user.name}",
        "shape",
    ]
    assert record.needs["orders"] == ["user"]


async def test_what_waits_is_written_at_the_end(path: Path, finished: Any) -> None:
    """However soon that comes; and nothing of it goes on."""
    async with keep_journal(path, {}, "0.1.0", "abc", b"".join) as made:
        assert made
        for number in range(1, 31):
            made.put(finished(number=number))
        await made.workers()

    assert len(look(path)) == 30
    await until(lambda: not any(thread.name.startswith("journal") for thread in threading.enumerate()))
    file = JournalFile(path)
    assert not file.workers(0.0)
    file.close()


async def test_what_is_not_kept_is_not_held(kept: JournalState, path: Path, finished: Any) -> None:
    """Nor what is, once it is written: neither waits for somebody to look for garbage."""
    gc.collect()
    gc.disable()
    try:
        mine = range(2**127, 2**127 + 100)
        for number in mine:
            trace = finished(number=number)
            kept.put(trace)
            trace.spans.clear()
        del trace
        await written(kept, path, 50)
        await until(lambda: not any(isinstance(one, Span) and one.trace.id in mine for one in gc.get_objects()))
    finally:
        gc.enable()


def test_where_too_many_wait_they_are_lost_and_counted(
    path: Path, service: Service, monkeypatch: pytest.MonkeyPatch, finished: Any
) -> None:
    """Nobody waits for the disk, and memory has an end."""
    monkeypatch.setattr(journal, "MOST_WAITING", 3)
    state = JournalState(path, {}, service, KeepingState(KeepPolicy(any=10)))

    for number in range(1, 6):
        state.put(finished(number=number))
    thread = state.start()
    state.stop()
    thread.join()

    assert state.lost == 2
    assert len(look(path)) == 3


async def test_a_process_tells_of_itself_every_second(kept: JournalState, path: Path) -> None:
    """Whatever it has to tell, from its start on."""
    kept.tell = lambda: lambda: b'{"calls": 7}'
    kept.look()

    await until(lambda: told(path) == [b'{"calls": 7}'])
    there = await kept.workers()

    assert [(one.process, one.told) for one in there] == [(kept.service.process, b'{"calls": 7}')]


async def test_the_word_of_a_process_is_of_now_for_who_asks_for_all(kept: JournalState, path: Path) -> None:
    """And none that is older comes after it."""
    words = iter(range(1, 1000))
    kept.tell = lambda: lambda: b"%d" % next(words)

    heard = [[int(one.told) for one in await kept.everyone()] for _ in range(20)]

    assert [len(one) for one in heard] == [1] * 20
    assert heard == sorted(heard)
    assert heard[0] < heard[-1]


async def test_a_file_that_is_none_costs_the_journal_alone(foreign: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The gateway answers; the log says what is wrong, once."""
    wire = httpx.MockTransport(lambda request: httpx.Response(200, json={"name": "ada"}))
    gateway = Gateway.from_text(CONFIG, transport=wire, journal=foreign)

    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        answers = [await client.get("http://localhost/a/7") for _ in range(3)]
        assert gateway.running
        assert gateway.running.journal is None

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [record.getMessage() for record in caplog.records] == [f"there is no journal: {foreign}: file is not a database"]


async def test_a_disk_that_is_full_is_said_once_and_so_is_its_end(
    kept: JournalState, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, finished: Any
) -> None:
    """What comes meanwhile is lost, what comes afterwards is kept."""
    is_full = True
    add = kept._file.add

    def fail_while_full(*given: Any) -> None:
        if is_full:
            raise sqlite3.OperationalError("database or disk is full")
        add(*given)

    monkeypatch.setattr(kept._file, "add", fail_while_full)
    for number in (1, 2):
        kept.put(finished(number=number))
        await until(lambda number=number: kept.lost == number)
    is_full = False
    kept.put(finished(number=3))
    (found,) = await written(kept, path, 1)

    said = [record.getMessage() for record in caplog.records]
    assert int(found.trace, 16) == 3
    assert [text.partition(":")[0] for text in said] == [
        "the journal cannot be written, and keeps nothing until it can",
        "the journal can be written again; 2 traces are lost",
    ]
    assert "disk is full" in said[0]


async def test_a_trace_that_cannot_be_written_costs_itself_alone(kept: JournalState, path: Path, finished: Any) -> None:
    """Half a surrogate pair is no text."""
    kept.put(finished(number=1, **{"user_agent.original": "\ud800"}))
    kept.put(finished(number=2))

    (found,) = await written(kept, path, 1)

    assert (int(found.trace, 16), kept.lost) == (2, 1)


async def test_a_bug_in_writing_is_not_the_end_of_it(
    kept: JournalState, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, finished: Any
) -> None:
    """It is in the log, and the thread goes on."""
    monkeypatch.setattr(journal, "summarise", lambda *_: 1 / 0)
    kept.put(finished(number=1))
    await until(lambda: bool(caplog.records))
    monkeypatch.undo()

    kept.put(finished(number=2))

    assert [int(one.trace, 16) for one in await written(kept, path, 1)] == [2]
    assert caplog.records[0].getMessage() == "traces are lost to the journal"


async def test_a_disk_that_hangs_keeps_nobody_from_ending(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end waits for it as long as its grace."""
    hung, let_go = threading.Event(), threading.Event()
    monkeypatch.setattr(journal, "GRACE", 0.05)

    async with keep_journal(path, {}, "0.1.0", "abc", b"".join) as made:
        assert made
        monkeypatch.setattr(made, "_write", lambda: (hung.set(), let_go.wait(20)))
        await until(hung.is_set)

    assert any(thread.name == "journal-write" for thread in threading.enumerate())
    let_go.set()


async def test_without_a_file_there_is_no_journal() -> None:
    """Nothing is recorded for it either."""
    async with keep_journal(None, {}, "0.1.0", "abc", b"".join) as made:
        assert made is None
