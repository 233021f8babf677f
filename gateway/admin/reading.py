"""What a request to the admin side has to say: JSON, short, and in time."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request

from gateway.formats.decode import Undecodable, decode_json
from gateway.inbound.request import Refused
from gateway.problem import of_status

LARGEST_BODY = 16 * 1024
"""Bytes of an order."""

PATIENCE = 5.0
"""Seconds that a body may take."""


async def read_json(request: Request) -> Any:
    """The value of a request's body. Raises `Refused`; whatever is not called JSON is, since a browser sends such unasked for any page."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(of_status(415, "Unsupported Media Type", "send application/json"))
    try:
        async with asyncio.timeout(PATIENCE):
            return decode_json(await _read(request))
    except TimeoutError as error:
        raise Refused(of_status(408, "Request Timeout")) from error
    except (Undecodable, ClientDisconnect) as error:
        raise Refused(of_status(400, "Bad Request", "the body is not JSON")) from error


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > LARGEST_BODY:
            raise Refused(of_status(413, "Content Too Large", f"a body may have {LARGEST_BODY} bytes"))
    return b"".join(parts)
