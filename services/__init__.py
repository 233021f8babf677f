"""Mock upstreams: four small services with deterministic data and their faults on a switch.

Each is a process of its own: ``python -m services users`` (or ``orders``, ``catalog``, ``recommendations``).
The same id always gives the same bytes, so that anybody can say what an answer must be.

Importing this package costs nothing: the web framework is loaded by `create` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["PORTS", "create", "describe"]

PORTS: Mapping[str, int] = MappingProxyType({"users": 9101, "orders": 9102, "catalog": 9103, "recommendations": 9104})
"""Every service by name, with the port it has unless told otherwise."""


def create(name: str) -> ASGIApp:
    """Give a new, healthy service as an ASGI app; `KeyError` if `PORTS` has no such name.

    The modes `reset` and `garbage` also need the protocol of `services.wire` in the server.
    """
    if name not in PORTS:
        raise KeyError(name)
    from services.app import compose

    return compose(name)


def describe(name: str) -> dict[str, Any]:
    """Give a service's OpenAPI document; `KeyError` if `PORTS` has no such name."""
    if name not in PORTS:
        raise KeyError(name)
    from services import app

    return app.describe(name)
