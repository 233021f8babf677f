"""Fanin: the aggregation gateway. One request in, many upstream APIs called at once, one answer out.

The public names are here and nothing else. They are imported when they are asked for, since FastAPI and httpx take a while and
`gateway check` needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gateway.answer.transform import off_loop
    from gateway.app import Gateway
    from gateway.errors import ConfigError, GatewayError
    from gateway.face import Endpoint, step

__all__ = ["ConfigError", "Endpoint", "Gateway", "GatewayError", "__version__", "off_loop", "step"]

_HOMES = {
    "Gateway": "gateway.app",
    "ConfigError": "gateway.errors",
    "GatewayError": "gateway.errors",
    "Endpoint": "gateway.face",
    "step": "gateway.face",
    "off_loop": "gateway.answer.transform",
}


def __getattr__(name: str) -> Any:
    """A public name, imported now that it is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gateway' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
