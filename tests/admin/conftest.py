"""The admin app of a gateway that runs in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import httpx
import pytest

from gateway import Gateway
from gateway.admin.access import Access
from gateway.admin.app import make_admin

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test" } }
endpoints: [{ path: "/a/{id}", steps: { user: { get: "users /users/{path.id}" } } }]
"""

Manage: TypeAlias = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def reach() -> AsyncIterator[Manage]:
    """Give a client of a gateway's admin side, which asks for `localhost` and brings this token."""
    async with AsyncExitStack() as stack:

        async def get_to(gateway: Gateway, token: str | None = None) -> httpx.AsyncClient:
            wire = httpx.ASGITransport(make_admin(gateway, Access(token)), raise_app_exceptions=False)
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=wire, base_url="http://localhost:8081", headers=headers)
            )

        yield get_to


@pytest.fixture
async def manage(reach: Manage) -> AsyncIterator[Manage]:
    """Start a gateway, and give a client of its admin side."""
    async with AsyncExitStack() as stack:

        async def start(config: str = CONFIG, token: str | None = None, **options: Any) -> httpx.AsyncClient:
            gateway = Gateway.from_text(config, **options)
            await stack.enter_async_context(gateway.lifespan())
            return await reach(gateway, token)

        yield start
