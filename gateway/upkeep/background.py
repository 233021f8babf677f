"""Work that no request waits for: what is served stale is fetched anew. It has traces of its own, and ends with the app's lifespan."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from gateway import telemetry
from gateway.caching import Work
from gateway.errors import CallError
from gateway.telemetry import Attribute, Span, SpanType, Trace

_log = logging.getLogger("gateway.background")


class Tracer(Protocol):
    """What begins traces, and hands finished ones on."""

    def begin(self, of: SpanType, carrier: Mapping[str, str], own: Callable[[], dict[str, Attribute]]) -> Trace:
        """A trace whose root is a span of this type."""

    def finish(self, trace: Trace) -> None:
        """The trace is over."""


@dataclass(slots=True, eq=False)
class BackgroundState:
    """What is being done while nobody waits for it."""

    tracer: Tracer = field(repr=False)
    works: set[asyncio.Task[None]] = field(default_factory=set)

    def __call__(self, name: str, cause: Span, work: Work) -> None:
        """Begin the work, in a trace of its own that links to its cause."""
        trace = self.tracer.begin(_type(name), {}, dict)
        trace.root.link(cause)
        task = asyncio.create_task(self._do(trace, work))
        self.works.add(task)
        task.add_done_callback(self.works.discard)

    async def stop(self) -> None:
        """End all of it, and wait until it has ended."""
        works = tuple(self.works)
        for task in works:
            task.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def _do(self, trace: Trace, work: Work) -> None:
        root = trace.root
        telemetry.CURRENT.set(root)
        try:
            await work(root)
        except CallError as error:
            root.fail(telemetry.error_type(error))
        except Exception as error:
            root.fail(telemetry.error_type(error))
            _log.exception("a bug has ended work in the background: %s", root.name)
        finally:
            self.tracer.finish(trace)


@lru_cache(maxsize=1024)
def _type(name: str) -> SpanType:
    return SpanType(name)
