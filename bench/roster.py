"""Who takes part, in the order of the table."""

from __future__ import annotations

from collections.abc import Iterable

from bench.peers import Peer, aiohttp, bare, fanin, fastapi, fastify, flask, golang, krakend, nginx

PEERS: tuple[Peer, ...] = (
    fanin.PEER,
    fanin.UNTRACED,
    fanin.SAMPLED,
    fanin.JOURNAL,
    fanin.REFUSED,
    fanin.UNANSWERED,
    fanin.THOUSAND,
    fanin.WORKERS,
    bare.PEER,
    nginx.PEER,
    fastify.PEER,
    golang.PEER,
    krakend.PEER,
    aiohttp.PEER,
    flask.PEER,
    fastapi.SHARED,
    fastapi.FRESH,
)


def chosen(names: Iterable[str]) -> list[Peer]:
    """The peers of these names; one name stands for its variants too, and none for all. Raises `ValueError`."""
    wanted = list(names)
    unknown = [name for name in wanted if not any(_is(peer, name) for peer in PEERS)]
    if unknown:
        raise ValueError(f"no peer {', '.join(unknown)}; there are {', '.join(peer.name for peer in PEERS)}")
    return [peer for peer in PEERS if not wanted or any(_is(peer, name) for name in wanted)]


def _is(peer: Peer, name: str) -> bool:
    return peer.name == name or peer.name.startswith(f"{name}-")
