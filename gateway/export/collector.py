"""The collector that batches are sent to, over OTLP/HTTP.

One attempt after the other, with growing pauses, for as long as the batch may take: what OTLP's specification has tried again is tried
again (no connection, 429, 502, 503, 504), nothing else is. Whatever comes of it, requests go on meanwhile.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
import time
import zlib
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from gateway import __version__
from gateway.errors import BadReply, CallError, StartError
from gateway.export.settings import CollectorPolicy
from gateway.syntax import seconds_asked
from gateway.transport import Outgoing, Transport, Whole, WirePolicy, exchange, outgoing

FIRST_PAUSE = 1.0
"""Seconds before the second attempt; each pause after it is twice as long."""

_PASSING = frozenset({429, 502, 503, 504})
_COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
_PROTOBUF = "application/x-protobuf"
_MAX_REPLY = 64 * 1024
"""Bytes; a collector that means well says far less."""

_log = logging.getLogger(__name__)


class Lost(Exception):
    """The collector did not take a batch. Says why, without a word of what was sent."""


class _Passing(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, why: str, asked: float | None = None) -> None:
        super().__init__(why)
        self.asked = asked
        """Seconds that the collector wants to be left alone."""


@dataclass(slots=True)
class Collector:
    """Takes batches, one at a time. Raises `StartError` when it cannot be spoken to as the policy says."""

    policy: CollectorPolicy
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    _wire: Transport = field(init=False, repr=False)
    _headers: dict[str, str] = field(init=False, repr=False)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def __post_init__(self) -> None:
        self._wire = Transport(WirePolicy(tls=self.policy.tls))
        self._headers = {"content-type": _PROTOBUF, "user-agent": f"fanin/{__version__}", **self.policy.headers}
        if self.policy.compression in _COMPRESSIONS:
            self._headers["content-encoding"] = self.policy.compression
        try:
            self._request(b"")
        except httpx.LocalProtocolError as error:
            raise StartError("OTEL_EXPORTER_OTLP_HEADERS has a name or a value that no header can have") from error

    async def take(self, body: bytes) -> None:
        """Send a batch. Raises `Lost`."""
        if compress := _COMPRESSIONS.get(self.policy.compression):
            # Half a megabyte takes 10 ms, which requests would have to wait.
            body = await asyncio.to_thread(compress, body)
        deadline = asyncio.get_running_loop().time() + self.policy.timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._insist(self._request(body), deadline)
        except TimeoutError:
            raise Lost(f"no answer within {self.policy.timeout:g} s") from None

    def leave(self) -> None:
        """Wait for nothing any more: what does not go at once is lost."""
        self._leaving.set()

    async def close(self) -> None:
        """Close what is open."""
        await self._wire.aclose()

    def _request(self, body: bytes) -> Outgoing:
        request = httpx.Request("POST", self.policy.url, headers=self._headers, content=body)
        if request.url.userinfo:
            request.headers.setdefault("authorization", f"Basic {b64encode(unquote_to_bytes(request.url.userinfo)).decode()}")
        # A collector that is sent a span twice has it once.
        return replace(outgoing(request), limit=_MAX_REPLY, can_repeat=True)

    async def _insist(self, ready: Outgoing, deadline: float) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._attempt(ready)
            except _Passing as error:
                # As in the SDK, 20 % more or less, so that not all workers come back at once.
                wait = error.asked if error.asked is not None else pause * (0.8 + 0.4 * self.chance())
                if self._leaving.is_set() or asyncio.get_running_loop().time() + wait >= deadline:
                    raise Lost(str(error)) from error
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._leaving.wait()
            pause *= 2

    async def _attempt(self, ready: Outgoing) -> None:
        # Over the wire itself: what httpx makes of a reply holds its request, which only the garbage collector finds, and that comes too
        # rarely for half a megabyte each time. It costs a tenth, too.
        try:
            reply = await exchange(self._wire.pool(httpx.URL(self.policy.url)), ready, Whole)
        except BadReply as error:
            raise Lost(str(error)) from error
        except CallError as error:
            raise _Passing(f"{error.__cause__ or error}") from error
        headers = httpx.Headers(list(reply.headers))
        if reply.status in _PASSING:
            now = time.time()  # noqa: TID251 - an HTTP date is wall time
            raise _Passing(f"status {reply.status}", seconds_asked(headers.get("retry-after", ""), now))
        if not 200 <= reply.status < 300:
            raise Lost(f"status {reply.status}")
        if headers.get("content-type", "").partition(";")[0] == _PROTOBUF:
            _tell_partial(reply.body.whole())


def _tell_partial(said: bytes) -> None:
    """A collector may take a batch and still complain."""
    try:
        partial = ExportTraceServiceResponse.FromString(said).partial_success
    except DecodeError:
        return
    if partial.rejected_spans or partial.error_message:
        _log.warning("the collector rejected %d spans: %.200r", partial.rejected_spans, partial.error_message)
