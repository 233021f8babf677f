"""`gateway call --stream`: each part of an answer when it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.cli.layout import lay_out
from gateway.inbound.events import LINES

Tell = Callable[[float, dict[str, Any]], None]
"""Told each event, and how many seconds after the request it came."""


def ask_for_parts(request: httpx.Request) -> httpx.Request:
    """The request for an answer in lines, whatever it had for `Accept`."""
    request.headers["accept"] = LINES.content_type.decode()
    return request


def overheard(app: ASGIApp, tell: Tell) -> ASGIApp:
    """The app, each line of whose answers is told when it is sent: who calls it here gets the whole at its end."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        begun, unread, in_lines = clock(), b"", False

        async def overhear(message: Message) -> None:
            nonlocal unread, in_lines
            if message["type"] == "http.response.start":
                in_lines = (b"content-type", LINES.content_type) in message["headers"]
            elif in_lines:
                *lines, unread = (unread + message.get("body", b"")).split(b"\n")
                for line in lines:
                    tell(clock() - begun, json.loads(line))
            await send(message)

        await app(scope, receive, overhear)

    return call


def is_in_lines(response: httpx.Response) -> bool:
    """The answer came in parts, so that all of it has been told."""
    return bool(response.headers.get("content-type") == LINES.content_type.decode())


def ends_in_problem(response: httpx.Response) -> bool:
    """The last event is that there is no answer after all."""
    return bool(json.loads(response.content.splitlines()[-1])["event"] == "problem")


def show_event(console: Console, seconds: float, event: dict[str, Any]) -> None:
    """Print an event: when it came, what it is, and what it has."""
    kind, name = event["event"], event.get("name")
    # How long each step took the waterfall tells, too.
    said: Any = {word: value for word, value in event.items() if word not in ("event", "name", "server_timing")}
    if said.keys() == {"value"}:
        said = said["value"]
    head = f"{seconds * 1000:.1f} ms · {kind}{f' {name}' if name else ''}"
    text = Text(lay_out(said, console.width))
    JSONHighlighter().highlight(text)
    console.print(Text(head, style="bold red" if kind == "problem" else "bold"), text, sep="\n", end="\n\n", soft_wrap=True)
