"""FastAPI with an `httpx.AsyncClient` for each request, as many tutorials have it."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import httpx
from fastapi import FastAPI

PARTS: dict[str, str] = json.loads(os.environ["PARTS"])
app = FastAPI()


@app.get(os.environ["ROUTE"] + "{number}")
async def aggregate(number: str) -> dict[str, Any]:
    """All parts at once, over connections that are closed afterwards."""
    async with httpx.AsyncClient() as client:
        replies = await asyncio.gather(*(client.get(url + number) for url in PARTS.values()))
    return {name: reply.raise_for_status().json() for name, reply in zip(PARTS, replies, strict=True)}
