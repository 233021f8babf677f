"""aiohttp on both sides: the usual answer of those who want it quick in Python."""

from __future__ import annotations

from functools import partial

from bench.peers import Peer, Scene
from bench.peers.python import command, versions
from bench.processes import Command


def start(scene: Scene) -> Command:
    """Its own server, in one process."""
    return command(scene, "aiohttp_orjson.py")


PEER = Peer(
    "aiohttp",
    "aiohttp as server and client, orjson, uvloop",
    partial(versions, "aiohttp", "orjson", "uvloop"),
    start,
    workloads=("aggregate-3", "large"),
)
