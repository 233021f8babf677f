"""The memory store: what it keeps, what it drops, and that its accounts are right."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiocache.base import BaseCache
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.caching import Entry, Hot
from gateway.caching.purging import PurgesState
from gateway.store import OVERHEAD, MemoryStore, memory

ENTRY = OVERHEAD + 1 + 10
"""Bytes of an entry with a key of one letter and ten bytes."""

TEN = b"0123456789"


class Clock:
    """A clock that stands until the test moves it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def kept(store: MemoryStore, keys: str = "abcdef") -> str:
    """Which of these keys are there."""
    return "".join([key for key in keys if await store.exists(key)])


async def test_gives_the_very_bytes() -> None:
    """As in aiocache: what is set is got, what is not there is None or the default."""
    store = MemoryStore(10_000)

    await store.set("a", TEN, ttl=30.0)

    assert isinstance(store, BaseCache)
    assert await store.get("a") == TEN
    assert await store.get("b") is None
    assert await store.get("b", default=b"none") == b"none"
    assert (await store.exists("a"), await store.exists("b")) == (True, False)


async def test_delete_says_how_many_there_were() -> None:
    """One entry is deleted once."""
    store = MemoryStore(10_000)
    await store.set("a", TEN, ttl=30.0)

    assert [await store.delete("a"), await store.delete("a")] == [1, 0]
    assert (await store.get("a"), store.used) == (None, 0)


async def test_clear_drops_a_namespace_or_everything() -> None:
    """Keys of other namespaces are left alone."""
    store = MemoryStore(10_000)
    for namespace in ("one:", "two:"):
        await store.set("a", TEN, namespace=namespace)

    await store.clear(namespace="one:")
    assert (await store.get("a", namespace="one:"), await store.get("a", namespace="two:")) == (None, TEN)

    await store.clear()
    assert store.used == 0


async def test_a_full_store_drops_what_was_used_longest_ago() -> None:
    """Reading is using: of three entries the one that was read stays."""
    store = MemoryStore(3 * ENTRY)
    for key in "abc":
        await store.set(key, TEN)

    await store.get("a")
    await store.set("d", TEN)

    assert await kept(store) == "acd"
    assert store.used == 3 * ENTRY


async def test_a_large_entry_takes_the_place_of_several() -> None:
    """As many go as it needs, and no more."""
    store = MemoryStore(4 * ENTRY)
    for key in "abcd":
        await store.set(key, TEN)

    await store.set("e", bytes(2 * ENTRY - OVERHEAD - 1))

    assert await kept(store) == "cde"
    assert store.used == store.size


async def test_an_entry_as_large_as_the_store_fits() -> None:
    """The bound is what may be held, not what may not."""
    store = MemoryStore(ENTRY)

    assert await store.set("a", TEN) is True
    assert await kept(store) == "a"


async def test_an_entry_larger_than_the_store_is_refused() -> None:
    """It costs no other entry its place; but what was under its key is outdated, and gone."""
    store = MemoryStore(2 * ENTRY)
    await store.set("a", TEN)
    await store.set("b", TEN)

    assert await store.set("a", bytes(2 * ENTRY)) is False

    assert await kept(store) == "b"
    assert store.used == ENTRY


async def test_holds_so_many_entries_and_no_more() -> None:
    """Small ones by the million would take memory that their bytes do not tell of."""
    store = MemoryStore(10_000, entries=2)
    for key in "abc":
        await store.set(key, b"")

    assert await kept(store) == "bc"


async def test_many_are_got_at_once() -> None:
    """In the order asked for, None where there is nothing; and what was read stays."""
    store = MemoryStore(2 * ENTRY)
    await store.set("a", TEN)
    await store.set("b", TEN)

    assert await store.multi_get(["x", "a"]) == [None, TEN]
    await store.set("c", TEN)

    assert await kept(store) == "ac"


async def test_what_is_purged_is_not_there() -> None:
    """Whoever reads it finds nothing, and it gives its room back."""
    purges = PurgesState()
    store = MemoryStore(10_000, purges=purges)
    await store.set("a", Entry(200, (), b"", at=10.0, lifetime=60.0, scopes=("tag:a",)), ttl=60.0)
    await store.set("b", Entry(200, (), b"", at=10.0, lifetime=60.0, scopes=("tag:b",)), ttl=60.0)

    purges.purge("tag:a", 10.0)

    assert await store.get("a") is None
    assert await kept(store) == "b"


async def test_counts_what_it_was_good_for() -> None:
    """Every key asked for is a hit or a miss; storing is neither."""
    store = MemoryStore(10_000)
    await store.set("a", TEN)
    await store.set("b", TEN)

    await store.get("a")
    await store.multi_get(["a", "b", "x"])

    assert store.counts() == [("memory", 3, 1, 2, 2 * ENTRY, True)]


async def test_tells_the_hottest_keys() -> None:
    """Those that were hit most often, and none that was not."""
    store = MemoryStore(10_000)
    for key in "abc":
        await store.set(key, TEN)

    await store.multi_get("abbb")

    assert store.hottest(1) == [Hot("b", 3)]
    assert store.hottest(9) == [Hot("b", 3), Hot("a", 1)]


async def test_a_newer_value_is_as_hot_as_the_old_one() -> None:
    """What is hot is replaced often; it can be purged by what the newer one has."""
    store = MemoryStore(10_000)
    await store.set("a", TEN)
    await store.get("a")

    await store.set("a", Entry(200, (), b"", 0.0, 1.0, scopes=("tag:x",)))

    assert store.hottest(9) == [Hot("a", 1, ("tag:x",))]


async def test_what_was_not_read_for_long_is_not_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it was once; and looking for it does not take longer when there is more."""
    monkeypatch.setattr(memory, "LATEST", 2)
    store = MemoryStore(10_000)
    for key in ("once", "b", "c"):
        await store.set(key, TEN)
        await store.get(key)

    assert {hot.key for hot in store.hottest(9)} == {"b", "c"}


async def test_a_replaced_entry_counts_once() -> None:
    """The new value, its weight and its ttl take the place of the old ones."""
    clock = Clock()
    store = MemoryStore(10_000, clock=clock)
    await store.set("a", bytes(500), ttl=1.0)

    await store.set("a", TEN, ttl=10.0)
    clock.now += 5

    assert await store.get("a") == TEN
    assert store.used == ENTRY


@pytest.mark.parametrize("read", ["get", "exists"])
async def test_an_entry_expires_when_it_is_read(read: str) -> None:
    """The clock is looked at on reading, to the moment; what has expired gives its room back."""
    clock = Clock()
    store = MemoryStore(10_000, clock=clock)
    await store.set("a", TEN, ttl=30.0)

    clock.now += 29.9
    assert await getattr(store, read)("a")
    clock.now += 0.1
    assert not await getattr(store, read)("a")

    assert store.used == 0


async def test_without_a_ttl_an_entry_stays() -> None:
    """No ttl is for ever; a ttl of zero is over at once, and not for ever as in aiocache's own memory."""
    clock = Clock()
    store = MemoryStore(10_000, clock=clock)

    await store.set("a", TEN, ttl=None)
    await store.set("b", TEN)
    await store.set("c", TEN, ttl=0)
    clock.now += 1e9

    assert await kept(store) == "ab"


async def test_aiocaches_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `AIOCACHE_DISABLE=1` nothing is kept and nothing is found; no operation fails."""
    store = MemoryStore(10_000)
    monkeypatch.setenv("AIOCACHE_DISABLE", "1")

    await store.set("a", TEN, ttl=30.0)

    assert (await store.get("a"), await store.multi_get(["a"]), await store.exists("a")) == (None, [None], False)
    assert store.used == 0


async def test_prints_how_full_it_is() -> None:
    """State is printable."""
    store = MemoryStore(1000)

    await store.set("a", TEN)

    assert repr(store) == "MemoryStore(1 entries, 311 of 1000 bytes)"


class AgainstAModel(RuleBasedStateMachine):
    """Any operations in any order leave the store as a plain list of entries, newest use last, would have it."""

    SIZE = 5 * ENTRY
    ENTRIES = 4

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = MemoryStore(self.SIZE, self.ENTRIES, clock=self.clock)
        self.model: dict[str, tuple[bytes, float]] = {}

    def do(self, operation: Any) -> Any:
        """Nothing in the store waits, so that its operations run without a loop."""
        try:
            operation.send(None)
        except StopIteration as ended:
            return ended.value
        raise AssertionError("the store waits for something")

    def weight(self) -> int:
        return sum(len(key) + len(value) + OVERHEAD for key, (value, _) in self.model.items())

    @rule(key=st.sampled_from("abcdefgh"), size=st.integers(0, 6 * ENTRY), ttl=st.sampled_from([None, 0, 1.0, 10.0]))
    def set(self, key: str, size: int, ttl: float | None) -> None:
        self.model.pop(key, None)
        fits = len(key) + size + OVERHEAD <= self.SIZE
        if fits:
            self.model[key] = (bytes(size), float("inf") if ttl is None else self.clock.now + ttl)
        while self.weight() > self.SIZE or len(self.model) > self.ENTRIES:
            del self.model[next(iter(self.model))]

        assert self.do(self.store.set(key, bytes(size), ttl=ttl)) is fits

    @rule(key=st.sampled_from("abcdefgh"))
    def get(self, key: str) -> None:
        value, expires = self.model.pop(key, (None, 0.0))
        alive = expires > self.clock.now
        if value is not None and alive:
            self.model[key] = (value, expires)

        assert self.do(self.store.get(key)) == (value if alive else None)

    @rule(key=st.sampled_from("abcdefgh"))
    def delete(self, key: str) -> None:
        was_there = self.model.pop(key, None) is not None

        assert self.do(self.store.delete(key)) == was_there

    @rule(seconds=st.sampled_from([0.5, 1.0, 9.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def clear(self) -> None:
        self.model.clear()
        self.do(self.store.clear())

    @invariant()
    def accounts_are_right(self) -> None:
        assert self.store.used == self.weight()
        assert self.store.used <= self.SIZE
        assert len(self.model) <= self.ENTRIES
        assert repr(self.store).startswith(f"MemoryStore({len(self.model)} entries")


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(deadline=None, max_examples=60)


async def test_operations_at_once_keep_the_accounts() -> None:
    """Many tasks on one store: what it says it uses is what it holds."""
    store = MemoryStore(5 * ENTRY)

    await asyncio.gather(*(store.set("abcdefgh"[index % 8], bytes(index)) for index in range(100)))

    keys = await kept(store, "abcdefgh")
    assert store.used == sum([OVERHEAD + 1 + len(await store.get(key)) for key in keys])
