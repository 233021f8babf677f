"""The upstreams: where their hosts are, what keeps calls away from them at this moment, and what calls have come to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admin.looking import RECENT, look, upstreams
from gateway.admin.running import running
from gateway.app import Gateway


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of upstreams on the admin side."""

    async def show(_: Request) -> Response:
        """Says of each upstream what keeps calls away from it, in all processes, and what its calls have come to of late."""
        state = running(gateway)
        found = await look(state)
        told = await asyncio.to_thread(lambda: upstreams(found, state.looks.change(found, RECENT)))
        return JSONResponse({"workers": found.workers, "upstreams": told})

    return [Route("/api/upstreams", show)]
