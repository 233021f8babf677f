"""Plain FastAPI and stock httpx, with the client shared, as one should, and with one for each request, as many do."""

from __future__ import annotations

from functools import partial

from bench.peers import Peer, Scene
from bench.peers.python import UVICORN, command, versions
from bench.processes import Command


def start(app: str, scene: Scene) -> Command:
    """Uvicorn with uvloop and httptools."""
    return command(scene, *UVICORN, "--host", "127.0.0.1", "--port", str(scene.port), f"{app}:app")


PREPARE = partial(versions, "fastapi", "httpx", "uvicorn")

SHARED = Peer(
    "fastapi-shared",
    "FastAPI and one stock `httpx.AsyncClient` for all requests",
    PREPARE,
    partial(start, "fastapi_shared"),
    warm=100,
)

FRESH = Peer(
    "fastapi-fresh",
    "FastAPI and a stock `httpx.AsyncClient` for each request",
    PREPARE,
    partial(start, "fastapi_fresh"),
    warm=100,
)
