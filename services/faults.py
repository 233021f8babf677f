"""The failures, each played on a real connection: what `services.chaos` decides, this does.

A failure ends when it is played or when the caller leaves, which `Exchange.hold` sees to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message

from services.chaos import Mode
from services.exchange import Exchange
from services.wire import Wire, wire_of

TRICKLE_SECONDS = 0.2
"""Between two bytes of a trickled answer."""

GARBAGE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage, not HTTP\r\n\x00\xff\xfe\r\n\r\n"
"""Begins like TLS, as from a server that was asked on the wrong port."""

ERROR_PAGE = """<!DOCTYPE html>
<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>a proxy in between</center></body>
</html>
"""


async def fail(failure: Mode | int, exchange: Exchange, app: ASGIApp) -> None:
    """Play a failure instead of the app's answer; only `trickle` asks the app."""
    match failure:
        case int(status):
            answer = JSONResponse({"detail": f"this service was told to fail with {status}"}, status)
            await answer(exchange.scope, exchange.receive, exchange.send)
        case "html":
            await HTMLResponse(ERROR_PAGE)(exchange.scope, exchange.receive, exchange.send)
        case "hang":
            await exchange.gone.wait()
        case "trickle":
            await _trickle(exchange, app)
        case "reset":
            await _end(exchange, _wire(exchange).reset)
        case "garbage":
            await _end(exchange, partial(_wire(exchange).send_raw, GARBAGE))


async def _trickle(exchange: Exchange, app: ASGIApp) -> None:
    """Send the app's answer with true headers, and its body a byte at a time."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(exchange.scope, exchange.receive, keep)
    head, *rest = messages
    body = b"".join(message.get("body", b"") for message in rest)
    await exchange.send(head)
    for place in range(len(body)):
        await asyncio.sleep(TRICKLE_SECONDS)
        await exchange.send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
    await exchange.send({"type": "http.response.body", "body": b""})


async def _end(exchange: Exchange, cut: Callable[[], None]) -> None:
    """Cut the connection; the caller did not leave, so this is an answer of a kind."""
    exchange.answered = True
    cut()
    # Until the connection is down the server would complain that nothing was answered.
    await exchange.gone.wait()


def _wire(exchange: Exchange) -> Wire:
    wire = wire_of(exchange.scope)
    if wire is None:
        raise RuntimeError("reset and garbage need a real connection: python -m services")
    return wire
