"""What several processes come to together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gateway import Gateway
from gateway.admin.metrics import looked
from gateway.journal.file import LEFT, JournalFile, Worker
from gateway.metrics.figures import Snapshot
from gateway.metrics.sharing import add_up, hear, tell, together
from gateway.metrics.state import MetricsState
from gateway.telemetry import CACHE_SIZE, SERVER_DURATION, SHED, WORKERS, Trace

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test" } }
endpoints: [{ path: "/a/{id}", steps: { user: { get: "users /users/{path.id}" } } }]
"""


def told(shed: int, size: int) -> bytes:
    """The word of a process that has turned so many away and keeps so much."""
    return tell(Snapshot.of([(SHED.name, {}, shed), (CACHE_SIZE.name, {"gateway.cache.tier": "memory"}, size)]))


def test_all_that_are_there_are_added_up(state: MetricsState, finished: Callable[..., Trace]) -> None:
    """To the last request."""
    state.note(finished())

    both = together([hear(state.tell()()), hear(state.tell()())])

    assert [
        one.count for series in (both.values[SERVER_DURATION.name],) for one in series.values() if not isinstance(one, int)
    ] == [2]
    assert together([]) == Snapshot()


def test_what_was_counted_outlives_a_process() -> None:
    """What it held at a moment does not; that stays so however often those that left are added up."""
    left = add_up([add_up([told(1, 100), told(2, 200)]), told(3, 300)])

    assert hear(left).values == {SHED.name: {(): 6}}
    assert hear(told(7, 100), is_there=False).values == {SHED.name: {(): 7}}


@pytest.mark.parametrize(
    "word",
    [b"", b"[]", b"{}", b"null\nnull", b"{}\n7", b'{}\n["gateway.shed.requests", {}, [1]]', b"{}\n[[], {}, 1]", b"\xff\n\xff"],
)
def test_who_speaks_otherwise_is_not_counted(word: bytes) -> None:
    """A file may have been another version's."""
    assert hear(word) == Snapshot()


async def test_whoever_is_asked_has_the_figures_of_all(tmp_path: Path) -> None:
    """His own of now, the others' as they told them last, and those that have left."""
    path = tmp_path / "journal"
    wire = httpx.MockTransport(lambda request: httpx.Response(200, json={}))
    gateway = Gateway.from_text(CONFIG, transport=wire, journal=path)
    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        file = JournalFile(path)
        file.add([], Worker(1, 2e9, told(5, 100)))
        file.add([], Worker(LEFT, 0.0, told(7, 200)))
        file.close()
        await client.get("http://localhost/a/7")
        assert gateway.running

        found = (await looked(gateway.running))()

    assert found.values[SHED.name] == {(): 12}
    assert found.values[CACHE_SIZE.name] == {(("gateway.cache.tier", "memory"),): 100}
    assert [getattr(one, "count", 0) for one in found.values[SERVER_DURATION.name].values()] == [1]


async def test_a_gateway_goes_on_counting_where_it_stopped(tmp_path: Path) -> None:
    """Where its journal is kept: what it is asked for never falls."""
    wire = httpx.MockTransport(lambda request: httpx.Response(200, json={}))
    counts = []
    for _ in range(3):
        gateway = Gateway.from_text(CONFIG, transport=wire, journal=tmp_path / "journal")
        async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
            await client.get("http://localhost/a/7")
            assert gateway.running
            found = (await looked(gateway.running))()
        counts += [getattr(one, "count", 0) for one in found.values[SERVER_DURATION.name].values()]

    assert counts == [1, 2, 3]


async def test_without_a_journal_a_process_speaks_for_itself() -> None:
    """And says that it is one."""
    gateway = Gateway.from_text(CONFIG)
    async with gateway.lifespan():
        assert gateway.running

        found = (await looked(gateway.running))()

    assert list(found.values[WORKERS.name].values()) == [1]
