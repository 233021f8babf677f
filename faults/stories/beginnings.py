"""The first moment: nothing is connected, and everybody comes at once."""

from __future__ import annotations

from collections import Counter

from faults.claims import require
from faults.clients import Crowd, waited
from faults.stage import Stage


async def crowd(stage: Stage, requests: int = 300) -> str:
    """An upstream that is well, and has room for a hundred connections before its door; three calls for each request."""
    server, clients = stage.upstreams.own["crowded"], Crowd(stage.gateway, "/three/crowded")
    opened = server.opened
    first = await clients.at_once(requests)
    said = f"{requests} at once over {server.opened - opened} connections, p99 {waited(first, 0.99):.0f} ms"
    after = await clients.at_once(requests)
    statuses = Counter(str(one) for one in (*first, *after))
    require(set(statuses) == {"200"}, f"{said}; {dict(statuses)}")
    return f"{said}; again {waited(after, 0.99):.0f}; none turned away"
