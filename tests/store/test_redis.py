"""The shared store, on a real Redis: what one process keeps another has, and nothing that is not an entry."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiocache.base import BaseCache

from gateway.caching.clock import now
from gateway.caching.entry import FORMAT

pytestmark = pytest.mark.slow


async def test_what_one_process_keeps_another_has(opened: Any, make_entry: Any, up: Any) -> None:
    """Both tiers, by aiocache's interface."""
    async with opened() as (one, _), opened(size=0) as (other, _):
        await up(one, other)
        entry = make_entry(b"body")

        await one.set("a", entry, ttl=30.0)

        assert isinstance(other, BaseCache)
        assert (await other.get("a"), await other.get("b")) == (entry, None)
        assert [counts[:3] for counts in other.counts()] == [("redis", 1, 1)]


async def test_what_was_old_when_it_came_is_had_from_memory_as_long_as_it_is_fresh(opened: Any, make_entry: Any, up: Any) -> None:
    """Its age is in its lifetime already: nobody asks Redis for what is fresh here."""
    async with opened() as (store, _):
        await up(store)
        entry = replace(make_entry(), age=1000.0)
        await store.set("a", entry, ttl=30.0)
        asked = sum(store.counts()[1][1:3])

        assert await store.get("a") == entry
        assert sum(store.counts()[1][1:3]) == asked


async def test_many_are_had_at_once(opened: Any, make_entry: Any, up: Any) -> None:
    """In the order asked for, some from memory, some from Redis, some from nowhere."""
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        first, second = make_entry(b"1"), make_entry(b"2")
        await one.set("a", first, ttl=30.0)
        await other.set("b", second, ttl=30.0)

        assert await other.multi_get(["x", "a", "b"]) == [None, first, second]


async def test_many_are_kept_at_once(opened: Any, make_entry: Any, up: Any) -> None:
    """Here and for all; what would be over at once is not kept."""
    async with opened() as (one, _), opened(size=0) as (other, _):
        await up(one, other)
        entries = {key: make_entry(key.encode()) for key in "ab"}

        await one.multi_set(tuple(entries.items()), ttl=30.0)
        await other.multi_set([("c", make_entry())], ttl=0.0)

        assert await other.multi_get("abc") == [*entries.values(), None]


async def test_memory_keeps_nothing_longer_than_redis(opened: Any, make_entry: Any, up: Any) -> None:
    """What came from Redis with a moment to live is gone from both after it."""
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        await one.set("a", make_entry(), ttl=1.0)

        assert await other.get("a")
        await asyncio.sleep(1.1)

        assert (await other.get("a"), other.memory.used) == (None, 0)


async def test_a_newer_entry_of_another_process_is_had(opened: Any, make_entry: Any, up: Any) -> None:
    """One that is no longer fresh here may have been asked for anew elsewhere: the upstream is not asked twice."""
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        stale, newer = make_entry(b"old", lifetime=0.0), make_entry(b"new")
        await other.set("a", stale, ttl=30.0)

        await one.set("a", newer, ttl=30.0)

        assert await other.get("a") == newer
        assert await other.multi_get(["a"]) == [newer]


async def test_what_is_deleted_is_gone_for_all(opened: Any, make_entry: Any, up: Any) -> None:
    """Except for what another process has in its memory: a purge reaches that."""
    async with opened() as (one, _), opened(size=0) as (other, _):
        await up(one, other)
        await one.set("a", make_entry(), ttl=30.0)

        await one.delete("a")

        assert (await one.get("a"), await other.get("a")) == (None, None)


async def test_keys_have_the_prefix_and_expire(opened: Any, shared_server: Any, prefix: str, make_entry: Any, up: Any) -> None:
    """All but the purges, of which there are so many and no more."""
    async with opened() as (store, board):
        await up(store)
        await store.set("a", make_entry(), ttl=30.0)
        board.tell("tag:a", now())
        async with store.lease("a"):
            client = shared_server.client
            found = {name: client.pttl(name) for name in client.scan_iter(f"{prefix}*")}

    names = {name.decode().removeprefix(prefix): left for name, left in found.items()}
    assert names.keys() == {"a", "lease:a", "purges"}
    assert 0 < names["a"] <= 30_000
    assert 0 < names["lease:a"] <= 3_000


def _packed(entry: Any, key: str = "a", **changes: Any) -> bytes:
    line, _, body = entry.pack(key).partition(b"\n")
    head = json.loads(line)
    for place, value in changes.items():
        head[int(place[1:])] = value
    return json.dumps(head).encode() + b"\n" + body


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"junk",
        b"\x80\x04\x95.",
        b"[" * 100_000,
        lambda entry: entry.pack("a")[:-1],
        lambda entry: entry.pack("a")[:20],
        lambda entry: entry.pack("b"),
        lambda entry: _packed(entry, _0=FORMAT - 1),
        lambda entry: _packed(entry, _3="200"),
        lambda entry: _packed(entry, _4=[[1, 2]]),
        lambda entry: _packed(entry, _4=["ab"]),
        lambda entry: _packed(entry, _5=[1, 2, 3, 4, "x"]),
        lambda entry: _packed(entry, _6=[1]),
        lambda entry: b"[1, 2]\n",
        ["a", "list"],
    ],
)
async def test_what_is_no_entry_is_a_miss(
    opened: Any, shared_server: Any, prefix: str, garbage: Any, make_entry: Any, up: Any
) -> None:
    """Foreign, torn, of an older release, another key's, another kind of value; and the next one that is kept takes its place."""
    async with opened(size=0) as (store, _):
        await up(store)
        value, client = garbage(make_entry()) if callable(garbage) else garbage, shared_server.client
        client.rpush(f"{prefix}a", *value) if isinstance(value, list) else client.set(f"{prefix}a", value)

        assert (await store.get("a"), await store.multi_get(["a"])) == (None, [None])
        assert store.counts()[0].is_well
        await store.set("a", entry := make_entry(), ttl=30.0)

        assert await store.get("a") == entry


async def test_a_full_redis_keeps_nothing_new(
    opened: Any, own_server: Any, caplog: pytest.LogCaptureFixture, make_entry: Any, up: Any
) -> None:
    """What it has is served, memory keeps what is new, it is said once; and it keeps again when there is room."""
    async with opened(own_server.url, size=0) as (shared, _), opened(own_server.url) as (store, _):
        await up(store, shared)
        await store.set("a", first := make_entry(), ttl=30.0)
        own_server.client.config_set("maxmemory", "1mb")

        await store.set("b", second := make_entry(bytes(100_000)), ttl=30.0)
        await store.set("c", second, ttl=30.0)

        assert (await shared.get("a"), await shared.get("b"), await store.get("b")) == (first, None, second)
        assert store.counts()[-1].is_well is False
        own_server.client.config_set("maxmemory", "0")
        await store.set("d", second, ttl=30.0)
        assert await shared.get("d") == second

    said = [record.getMessage().partition(":")[0] for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["redis keeps nothing (OutOfMemoryError)", "redis keeps again"]


async def test_a_replica_serves_what_it_has(opened: Any, own_server: Any, make_entry: Any, up: Any, eventually: Any) -> None:
    """It takes nothing, grants no lease; purges wait until there is somebody who takes them."""
    async with opened(own_server.url, size=0) as (store, board):
        await up(store)
        await store.set("a", entry := make_entry(), ttl=30.0)
        own_server.client.replicaof("127.0.0.1", "1")
        own_server.client.config_set("replica-serve-stale-data", "yes")

        await store.set("b", entry, ttl=30.0)
        board.tell("tag:else", now())

        async with store.lease("a"):
            assert (await store.get("a"), await store.get("b")) == (entry, None)
        assert await board.told() is False
        own_server.client.replicaof("NO", "ONE")
        await eventually(board.told)


async def test_begins_without_a_redis_and_has_it_once_it_is_there(
    opened: Any, own_server: Any, caplog: pytest.LogCaptureFixture, make_entry: Any, up: Any
) -> None:
    """Beginning waits for nobody; until then memory serves alone, and what is kept in it is kept."""
    own_server.stop()
    async with opened(own_server.url) as (store, _):
        await store.set("a", entry := make_entry(), ttl=30.0)
        await asyncio.sleep(0.3)
        assert await store.get("a") == entry

        own_server.start()
        await up(store)

    said = [record.getMessage().partition(":")[0] for record in caplog.records if record.levelno == logging.WARNING]
    assert said[0] == "redis is gone (connection refused)"
    assert said[1].startswith("redis is back after ")


async def test_a_password_is_never_shown(
    opened: Any, own_server: Any, caplog: pytest.LogCaptureFixture, up: Any, eventually: Any
) -> None:
    """A wrong one is told of in the log, without it; with the right one the store is there."""
    own_server.client.config_set("requirepass", "correct-horse")
    url = own_server.url.replace("//", "//:{}@")
    with caplog.at_level(logging.DEBUG):
        async with opened(url.format("wrong-horse")) as (store, board):
            await eventually(lambda: "redis is gone" in caplog.text)
            assert not store.counts()[-1].is_well
            shown = f"{store!r} {board!r} {caplog.text}"

        async with opened(url.format("correct-horse")) as (store, _):
            await up(store)

    assert "redis is gone (AuthenticationError)" in caplog.text
    assert "horse" not in shown + caplog.text


async def test_tls_is_verified(
    opened: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, make_server: Any, up: Any, eventually: Any
) -> None:
    """With the authority that signed its certificate it is trusted; with the system's it is not, and nothing is sent to it."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    identity = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    identity.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    server = make_server("--tls-cert-file", tmp_path / "own.pem", "--tls-key-file", tmp_path / "own.pem")
    server.client.config_set("tls-ca-cert-file", str(tmp_path / "ca.pem"))
    server.client.config_set("tls-auth-clients", "no")
    url = f"rediss://127.0.0.1:{server.open_tls()}"

    async with opened(url, tls={"ca": tmp_path / "ca.pem"}) as (store, _):
        await up(store)
    async with opened(url) as (store, _):
        await eventually(lambda: "redis is gone (" in caplog.text)
        assert not store.counts()[-1].is_well

    assert "certificate" in caplog.text
