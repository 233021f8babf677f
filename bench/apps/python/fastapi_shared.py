"""FastAPI with one stock `httpx.AsyncClient` that lives as long as the app, as httpx's documentation advises."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

PARTS: dict[str, str] = json.loads(os.environ["PARTS"])
client: httpx.AsyncClient


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """The client's life is the app's."""
    global client
    async with httpx.AsyncClient() as client:
        yield


app = FastAPI(lifespan=lifespan)


async def fetch(url: str) -> Any:
    """One part, decoded."""
    reply = await client.get(url)
    reply.raise_for_status()
    return reply.json()


@app.get(os.environ["ROUTE"] + "{number}")
async def aggregate(number: str) -> dict[str, Any]:
    """All parts at once."""
    replies = await asyncio.gather(*(fetch(url + number) for url in PARTS.values()))
    return dict(zip(PARTS, replies, strict=True))
