"""The user of Redis whom the page names: what he may do is all that is done, and no more than that."""

from __future__ import annotations

import asyncio
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.caching.clock import now
from gateway.store import lease as leases

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "features" / "shared-cache.md"
LINE = re.findall(r"`(ACL SETUSER fanin .*?)`", PAGE.read_text())[0]
COMMANDS = re.findall(r"\+(\w+)", LINE)


@pytest.fixture
def url(own_server: Any) -> str:
    """Where Redis is for this user, and for nobody else."""
    own_server.client.execute_command(*shlex.split(LINE.replace("PASSWORD", "horse")))
    return str(own_server.url.replace("//", "//fanin:horse@"))


@pytest.fixture(autouse=True)
def _leases_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they have to be renewed."""
    monkeypatch.setattr(leases, "LASTS", 0.15)


async def do_all(opened: Any, url: str, entry: Any) -> None:
    """Everything that a store and its board do."""
    async with opened(url, size=0, prefix="fanin:") as (store, board):
        await asyncio.sleep(0.05)
        await store.set("a", entry, ttl=30.0)
        await store.get("a")
        await store.delete("a")
        with suppress(ValueError):
            async with store.lease("a"):
                await asyncio.sleep(0.08)
                raise ValueError("the lease is given back")
        async with store.lease("a"):
            board.tell("tag:a", now())
        await board.told()


def refused(server: Any) -> set[str]:
    """The commands that somebody was not allowed."""
    return {one["object"] for one in server.client.acl_log()}


async def test_the_users_rights_are_enough(opened: Any, own_server: Any, url: str, make_entry: Any, up: Any) -> None:
    """Nothing is refused to him, connecting included, and what he keeps is there."""
    await do_all(opened, url, make_entry())

    async with opened(url, size=0, prefix="fanin:") as (store, _):
        await up(store)
        assert await store.multi_set([("a", entry := make_entry())], ttl=30.0)
        assert await store.get("a") == entry

    assert refused(own_server) == set()


@pytest.mark.parametrize("command", COMMANDS)
async def test_none_of_them_is_too_much(opened: Any, own_server: Any, url: str, make_entry: Any, command: str) -> None:
    """Without any one of them something would be refused."""
    own_server.client.execute_command("ACL", "SETUSER", "fanin", f"-{command}")

    async with asyncio.timeout(60):
        while not refused(own_server):
            await do_all(opened, url, make_entry())

    assert refused(own_server) == {command}


async def test_another_database_has_to_be_selected(opened: Any, own_server: Any, url: str, up: Any) -> None:
    """One with a number takes one right more."""
    own_server.client.execute_command("ACL", "SETUSER", "fanin", "+select")

    async with opened(f"{url}/1", prefix="fanin:") as (store, _):
        await up(store)

    assert refused(own_server) == set()
    assert own_server.client.info("keyspace").keys() == {"db1"}
