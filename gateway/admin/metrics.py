"""Metrics: the figures of many requests, for Prometheus and its like."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.running import running
from gateway.app import Gateway
from gateway.metrics.exposition import expose


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of metrics on the admin side."""

    async def show(request: Request) -> Response:
        """Metrics as Prometheus reads them, or as OpenMetrics."""
        snapshot = running(gateway).metrics.snapshot()
        text, kind = await asyncio.to_thread(expose, snapshot, ",".join(request.headers.getlist("accept")))
        return Response(text, headers={"content-type": kind})

    return [Route("/metrics", show)]
