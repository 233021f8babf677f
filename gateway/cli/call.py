"""`gateway call`: one request through the whole gateway, in this process, and what it left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from gateway.app import Gateway
from gateway.cli.layout import lay_out
from gateway.cli.waterfall import waterfall
from gateway.errors import StartError
from gateway.telemetry import Trace

_TOLD = ("gateway-complete", "proxy-status", "retry-after")
"""Response headers worth a line."""


def show_call(config: Path, method: str, path: str, headers: Sequence[str], data: str | None) -> int:
    """Make the request and print answer and waterfall; the exit status is 1 when the request failed."""
    traces: list[Trace] = []
    gateway = Gateway.load(config, sinks=[traces.append])
    fields = [_header(header) for header in headers]
    if data is not None:
        fields.append(("content-type", "application/json"))
    response = asyncio.run(_request(gateway, method.upper(), path, fields, data))
    console = Console()
    show_response(console, response)
    for trace in traces:
        console.print(waterfall(trace, console.width))
    return 1 if response.status_code >= 400 else 0


def show_response(console: Console, response: httpx.Response) -> None:
    """Print status, telling headers and the body."""
    console.print(
        Text(f"{response.status_code} {response.reason_phrase}", style="bold green" if response.is_success else "bold red")
    )
    for name in _TOLD:
        if name in response.headers:
            console.print(Text(f"{name}: {response.headers[name]}", style="dim"))
    console.print()
    try:
        text = Text(lay_out(response.json(), console.width))
        JSONHighlighter().highlight(text)
        console.print(text)
    except json.JSONDecodeError:
        console.print(Text(response.text))
    console.print()


async def _request(gateway: Gateway, method: str, path: str, headers: list[tuple[str, str]], data: str | None) -> httpx.Response:
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    async with (
        gateway.app.router.lifespan_context(gateway.app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway", trust_env=False) as client,
    ):
        return await client.request(method, path, headers=headers, content=data)


def _header(written: str) -> tuple[str, str]:
    name, colon, value = written.partition(":")
    if not colon or not name.strip():
        raise StartError(f"not a header: {written!r}; write 'Name: value'")
    return name.strip(), value.strip()
