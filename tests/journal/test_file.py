"""The file: what is found in it, how much it holds, who may share it, and which files are none."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.journal.file import LEFT, JournalFile, Unusable, Worker
from gateway.journal.record import Service, Summary, summarise, unpack
from gateway.journal.search import BadSearch, Search, read_search
from gateway.telemetry import HTTP_STATUS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "journal.sqlite"


@pytest.fixture
def file(path: Path) -> Any:
    """An open one, which is empty."""
    opened = JournalFile(path)
    yield opened
    opened.close()


def numbers(found: list[Summary]) -> list[int]:
    """Which traces these are."""
    return [int(one.trace, 16) for one in found]


def test_the_newest_are_found_first_and_the_rest_by_paging(file: JournalFile, finished: Any, rows: Any) -> None:
    """A page ends where the next one goes on: before the last row's `seq`."""
    file.add(rows(*(finished(number=number) for number in range(1, 6))))

    first = file.search(Search(limit=2))
    rest = file.search(Search(before=first[-1].seq))

    assert (numbers(first), numbers(rest)) == ([5, 4], [3, 2, 1])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [4, 3, 2, 1]),
        ({"endpoint": "/a/{id}"}, [4, 3, 2, 1]),
        ({"endpoint": "GET /a/{id}"}, [4, 3, 2, 1]),
        ({"endpoint": "POST /a/{id}"}, []),
        ({"status": "404"}, [2]),
        ({"status": "4xx"}, [2]),
        ({"status": "5xx"}, [3]),
        ({"status": "partial"}, [4]),
        ({"step": "user"}, [4, 3, 2, 1]),
        ({"step": "user:fallback"}, [4]),
        ({"step": "use"}, []),
        ({"min_ms": "50"}, [1]),
        ({"q": "/a/3"}, [3]),
        ({"q": f"{2:032x}"}, [2]),
        ({"q": "%"}, []),
        ({"status": "2xx", "min_ms": "50", "q": "/a"}, [1]),
        ({"limit": "1"}, [4]),
    ],
    ids=str,
)
def test_traces_are_found_by_what_they_tell(
    file: JournalFile, asked: dict[str, str], expected: list[int], finished: Any, rows: Any
) -> None:
    """Endpoint, status, step and its outcome, how long, a part of the path or the beginning of the id; all that is asked for at once."""
    told = [{"ms": 60.0}, {HTTP_STATUS: 404}, {HTTP_STATUS: 502}, {"complete": False}]
    file.add(rows(*(finished(number=number, **one) for number, one in enumerate(told, 1))))

    assert numbers(file.search(read_search(asked))) == expected


@pytest.mark.parametrize(
    "asked", [{"status": "abc"}, {"min_ms": "-1"}, {"limit": "x"}, {"before": "1.5"}, {"step": "a b"}, {"stat": "1"}]
)
def test_what_cannot_be_asked_for_is_said(asked: dict[str, str]) -> None:
    """By the parameter, and with what would do."""
    with pytest.raises(BadSearch, match=next(iter(asked))):
        read_search(asked)


def test_a_page_has_so_many_rows_at_most() -> None:
    """However many are asked for."""
    assert read_search({"limit": "999999"}).limit == 200


def test_of_several_requests_in_a_trace_the_newest_is_found_or_the_one_that_is_meant(
    file: JournalFile, finished: Any, rows: Any
) -> None:
    """A client may make several in one trace; their roots differ."""
    one, other = finished(number=5), finished(number=5)
    other.root.id = 99
    file.add(rows(one, other))

    newest, meant = file.find(f"{5:032x}"), file.find(f"{5:032x}", f"{1:016x}")

    assert newest
    assert meant
    assert (unpack(newest).trace.root.id, unpack(meant).trace.root.id) == (99, 1)
    assert file.find(f"{6:032x}") is None


def test_what_has_come_since_is_told_from_the_oldest_on(file: JournalFile, finished: Any, rows: Any) -> None:
    """Who is slow gets the newest and misses some."""
    file.add(rows(*(finished(number=number) for number in range(1, 6))))

    assert numbers(file.since(2, 10)) == [3, 4, 5]
    assert numbers(file.since(0, 2)) == [4, 5]
    assert file.last() == 5


def test_the_oldest_make_room_by_rows(path: Path, finished: Any, rows: Any) -> None:
    """In both tables."""
    file = JournalFile(path, most_rows=3)

    for number in range(1, 11):
        file.add(rows(finished(number=number)))

    assert numbers(file.search(Search())) == [10, 9, 8]
    assert file.find(f"{7:032x}") is None
    file.close()
    with sqlite3.connect(path) as looked_at:
        assert looked_at.execute("SELECT count(*) FROM records").fetchone() == (3,)
    looked_at.close()


def test_the_oldest_make_room_by_bytes(path: Path, service: Service, finished: Any, over: Any) -> None:
    """The file grows no further, and the newest are there."""
    file = JournalFile(path, most_bytes=200_000)
    large = bytes(5_000)

    for number in range(1, 301):
        file.add([(summarise(over(finished(number=number)), service), large)])

    assert numbers(file.search(Search(limit=1))) == [300]
    assert path.stat().st_size < 300_000
    file.close()


def test_several_write_to_one_file(path: Path, finished: Any, rows: Any) -> None:
    """Opened at the same moment, when it is not there yet; nobody's rows are lost."""

    def write(first: int) -> None:
        file = JournalFile(path)
        for number in range(first, first + 20):
            file.add(rows(finished(number=number)))
        file.close()

    writers = [threading.Thread(target=write, args=(1 + 20 * number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    file = JournalFile(path)
    assert sorted(numbers(file.search(Search(limit=200)))) == [*range(1, 81)]
    file.close()


def test_processes_tell_of_themselves_until_they_leave(file: JournalFile) -> None:
    """The last word counts; one that says nothing any more is not among them."""
    file.add([], Worker(1, 10.0, b"old"))
    file.add([], Worker(1, 20.0, b"new"))
    file.add([], Worker(2, 20.0, b"{}"))
    file.add([], Worker(3, 5.0, b"{}"))

    assert file.workers(since=15.0) == [Worker(1, 20.0, b"new"), Worker(2, 20.0, b"{}")]


def test_what_processes_have_told_stays_when_they_go(file: JournalFile) -> None:
    """As one word; of those that are silent only when they are no more."""
    gone, silent = 2**22 + 1, os.getpid()
    for process, told in ((1, b"a"), (gone, b"b"), (silent, b"c"), (7, b"d")):
        file.add([], Worker(process, 20.0 if process == 7 else 5.0, told))

    file.fold(1, before=15.0, add_up=b"+".join)
    file.fold(7, before=15.0, add_up=b"+".join)

    assert [(one.process, one.told) for one in file.everyone()] == [(LEFT, b"a+b+d"), (silent, b"c")]
    assert [one.process for one in file.workers(since=0.0)] == [silent]


def test_it_is_for_this_user_alone(path: Path, file: JournalFile, finished: Any, rows: Any) -> None:
    """Paths with ids in them are in it; what SQLite keeps beside it is as the file is."""
    file.add(rows(finished()))

    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(2000)], ids=["a text", "a broken one"])
def test_what_is_no_database_is_left_as_it_is(path: Path, content: bytes) -> None:
    """It may be somebody's."""
    path.write_bytes(content)

    with pytest.raises(Unusable):
        JournalFile(path)

    assert path.read_bytes() == content


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    """Also its way of writing."""
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()

    with pytest.raises(Unusable, match="another program's"):
        JournalFile(path)

    assert path.read_bytes() == before


def test_another_versions_file_is_left_as_it_is(path: Path) -> None:
    """Its tables are others."""
    JournalFile(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()

    with pytest.raises(Unusable, match="another version"):
        JournalFile(path)


def test_a_place_where_no_file_can_be_says_so(tmp_path: Path) -> None:
    """A folder that is not there, or that is one itself."""
    for place in (tmp_path / "missing" / "journal", tmp_path):
        with pytest.raises(Unusable):
            JournalFile(place)
