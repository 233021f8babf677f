"""aiohttp on both sides, with orjson for both directions and uvloop below."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import orjson
import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

PARTS: dict[str, str] = json.loads(os.environ["PARTS"])
SESSION = web.AppKey("session", ClientSession)


async def session(app: web.Application) -> AsyncIterator[None]:
    """The session's life is the app's; the connector keeps as many connections as the load needs."""
    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=5), raise_for_status=True) as opened:
        app[SESSION] = opened
        yield


async def fetch(client: ClientSession, url: str) -> Any:
    """One part, decoded."""
    async with client.get(url) as reply:
        return orjson.loads(await reply.read())


async def aggregate(request: web.Request) -> web.Response:
    """All parts at once."""
    number = request.match_info["number"]
    replies = await asyncio.gather(*(fetch(request.app[SESSION], url + number) for url in PARTS.values()))
    return web.Response(body=orjson.dumps(dict(zip(PARTS, replies, strict=True))), content_type="application/json")


async def create() -> web.Application:
    """The app, made in the loop that runs it."""
    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_get(os.environ["ROUTE"] + "{number}", aggregate)
    return app


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        app = runner.run(create())
        web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None, loop=runner.get_loop())
