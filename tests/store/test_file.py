"""Purges told in a file, among the workers of one server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.caching import Entry
from gateway.caching.purging import PurgesState
from gateway.store.file import FileBoard

NOW = 1000.0


class Worker:
    """One of several, with the purges that it knows."""

    def __init__(self, path: Path, full: int = 10_000) -> None:
        self.purges = PurgesState()
        self.board = FileBoard(path, self.purges, full=full, clock=lambda: NOW)

    def voids(self, at: float, scope: str) -> bool:
        return self.purges.voids(Entry(200, (), b"", at, 60.0, scopes=(scope,)))


Work = Callable[..., Worker]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "purges"


@pytest.fixture
async def work(path: Path) -> AsyncIterator[Work]:
    """Begins a worker, which is stopped in the end."""
    workers: list[Worker] = []

    def begin(full: int = 10_000) -> Worker:
        workers.append(Worker(path, full))
        return workers[-1]

    yield begin
    for worker in workers:
        await worker.board.stop()


async def test_what_one_worker_tells_the_others_find(work: Work) -> None:
    """It holds at once where it was told, elsewhere once they look."""
    one, other = work(), work()

    one.board.tell("tag:a", 10.0)
    before = other.voids(10.0, "tag:a")
    other.board.look()

    assert (one.voids(10.0, "tag:a"), before, other.voids(10.0, "tag:a")) == (True, False, True)


async def test_who_begins_need_not_know_what_was_purged(work: Work) -> None:
    """His memory is empty."""
    work().board.tell("tag:a", 10.0)

    newcomer = work()
    newcomer.board.look()

    assert repr(newcomer.purges) == "PurgesState(0 scopes)"


async def test_a_full_file_is_followed_by_another(work: Work, path: Path) -> None:
    """Nothing is lost on the way from one to the next, and it does not grow."""
    one, other = work(full=200), work(full=200)

    sizes = []
    for number in range(40):
        one.board.tell(f"tag:{number}", float(number))
        other.board.look()
        sizes.append(os.path.getsize(path))  # noqa: ASYNC240 - nobody else is there

    assert all(other.voids(float(number), f"tag:{number}") for number in range(40))
    assert not other.voids(5.0, "tag:else")
    assert max(sizes) < 300


async def test_what_is_told_by_who_had_the_old_one_is_in_the_new(work: Work) -> None:
    """Who comes back after a long time adds to the file that there is."""
    one, other = work(full=200), work(full=200)
    for number in range(10):
        one.board.tell(f"tag:{number}", float(number))

    other.board.tell("tag:a", 50.0)
    one.board.look()

    assert one.voids(50.0, "tag:a")


async def test_who_missed_a_file_distrusts_what_he_keeps(work: Work) -> None:
    """Any of the purges in it may have been of that."""
    one, other = work(full=100), work(full=100)
    for number in range(20):
        one.board.tell(f"tag:{number}", float(number))

    other.board.look()

    assert other.voids(NOW, "tag:else")
    assert not other.voids(NOW + 1, "tag:else")


async def test_it_is_looked_at_by_itself(work: Work) -> None:
    """By a task of its own; who has told something can wait until the others have looked."""
    one, other = work(), work()
    other.board.start()

    one.board.tell("tag:a", 10.0)
    assert await one.board.told()
    async with asyncio.timeout(10):
        while not other.voids(10.0, "tag:a"):  # noqa: ASYNC110 - it polls, and so do we
            await asyncio.sleep(0.01)

    assert repr(one.board) == "FileBoard(purges, 0)"
