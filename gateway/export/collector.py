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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from gateway import __version__
from gateway.export.settings import CollectorPolicy
from gateway.syntax import seconds_asked
from gateway.transport import Transport, WirePolicy
from gateway.upstream import make_client

FIRST_PAUSE = 1.0
"""Seconds before the second attempt; each pause after it is twice as long."""

_PASSING = frozenset({429, 502, 503, 504})
_COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
_PROTOBUF = "application/x-protobuf"
_MAX_REPLY = 64 * 1024

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
    """Takes batches, one at a time."""

    policy: CollectorPolicy
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    client: httpx.AsyncClient = field(init=False, repr=False)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def __post_init__(self) -> None:
        self.client = make_client(Transport(WirePolicy(tls=self.policy.tls)))

    async def take(self, body: bytes) -> None:
        """Send a batch. Raises `Lost`."""
        headers = {"content-type": _PROTOBUF, "user-agent": f"fanin/{__version__}", **self.policy.headers}
        if compress := _COMPRESSIONS.get(self.policy.compression):
            # Half a megabyte takes 10 ms, which requests would have to wait.
            body = await asyncio.to_thread(compress, body)
            headers["content-encoding"] = self.policy.compression
        request = self.client.build_request("POST", self.policy.url, headers=headers, content=body)
        deadline = asyncio.get_running_loop().time() + self.policy.timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._insist(request, deadline)
        except TimeoutError:
            raise Lost(f"no answer within {self.policy.timeout:g} s") from None

    def leave(self) -> None:
        """Wait for nothing any more: what does not go at once is lost."""
        self._leaving.set()

    async def _insist(self, request: httpx.Request, deadline: float) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._attempt(request)
            except _Passing as error:
                # As in the SDK, 20 % more or less, so that not all workers come back at once.
                wait = error.asked if error.asked is not None else pause * (0.8 + 0.4 * self.chance())
                if self._leaving.is_set() or asyncio.get_running_loop().time() + wait >= deadline:
                    raise Lost(str(error)) from error
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._leaving.wait()
            pause *= 2

    async def _attempt(self, request: httpx.Request) -> None:
        try:
            response = await self.client.send(request, stream=True)
            try:
                said = await _beginning(response)
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise _Passing(f"{type(error).__name__}: {error}") from error
        if response.status_code in _PASSING:
            now = time.time()  # noqa: TID251 - an HTTP date is wall time
            raise _Passing(f"status {response.status_code}", seconds_asked(response.headers.get("retry-after", ""), now))
        if not response.is_success:
            raise Lost(f"status {response.status_code}")
        _tell_partial(response, said)


async def _beginning(response: httpx.Response) -> bytes:
    """As much of a body as a collector that means well would send."""
    said = b""
    async for part in response.aiter_bytes():
        said += part
        if len(said) > _MAX_REPLY:
            return b""
    return said


def _tell_partial(response: httpx.Response, said: bytes) -> None:
    """A collector may take a batch and still complain."""
    if response.headers.get("content-type", "").partition(";")[0] != _PROTOBUF:
        return
    try:
        partial = ExportTraceServiceResponse.FromString(said).partial_success
    except DecodeError:
        return
    if partial.rejected_spans or partial.error_message:
        _log.warning("the collector rejected %d spans: %.200r", partial.rejected_spans, partial.error_message)
