"""Metrics: the figures of many requests, for Prometheus and its like, of all processes of the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.looking import words
from gateway.admin.running import running
from gateway.app import Gateway
from gateway.journal.state import is_there
from gateway.metrics.exposition import expose
from gateway.metrics.figures import Snapshot
from gateway.metrics.sharing import hear, together
from gateway.running import RunningState


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of metrics on the admin side."""

    async def show(request: Request) -> Response:
        """Metrics as Prometheus reads them, or as OpenMetrics."""
        look, accept = await looked(running(gateway)), ",".join(request.headers.getlist("accept"))
        text, kind = await asyncio.to_thread(lambda: expose(look(), accept))
        return Response(text, headers={"content-type": kind})

    return [Route("/metrics", show)]


async def looked(state: RunningState) -> Callable[[], Snapshot]:
    """The figures of all processes, others' up to a second old; those of this one alone where it cannot know of others."""
    found = await words(state)
    if not found:
        return state.metrics.take()
    return lambda: together(hear(one.told, is_there=is_there(one)) for one in found)
