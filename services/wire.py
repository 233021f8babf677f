"""The connection under a request, for what ASGI cannot say: reset it, or send bytes that are not HTTP.

`WireProtocol` is uvicorn's own protocol; it only adds a `Wire` to the scope, as the extension `EXTENSION`, and
does not let a call outlive a stop by more than `GRACE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "fanin.wire"
GRACE_SECONDS = 0.4

_LINGER_FOR_NOTHING = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN


@dataclass(frozen=True)
class Wire:
    """The connection that a request came over, and the request's target exactly as it was written there."""

    transport: asyncio.Transport
    target: bytes

    def reset(self) -> None:
        """End the connection with a TCP RST, whatever is still to be sent."""
        if self.transport.is_closing():
            return  # The caller was quicker, and there is no socket left to set anything on.
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_FOR_NOTHING)
        self.transport.abort()

    def send_raw(self, data: bytes) -> None:
        """Send these bytes as they are, then end the connection."""
        self.transport.write(data)
        self.transport.close()


class WireProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a `Wire` in every request's scope."""

    def on_headers_complete(self) -> None:
        """Add the wire before the request is handed to the app."""
        extensions: dict[str, Any] = {EXTENSION: Wire(self.transport, self.url)}
        self.scope["extensions"] = extensions
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Let the answer in flight go out, but do not wait for one that hangs."""
        super().shutdown()
        self.loop.call_later(GRACE_SECONDS, self.transport.abort)


def wire_of(scope: Mapping[str, Any]) -> Wire | None:
    """Give the connection of a request, or `None` where the server is not `WireProtocol` (an in-process test)."""
    wire = scope.get("extensions", {}).get(EXTENSION)
    return wire if isinstance(wire, Wire) else None
