"""What blocks and belongs to others, done in a thread that keeps nobody: neither the loop nor the process waits for one that hangs."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress

_log = logging.getLogger(__name__)


async def aside(work: Callable[[], object], name: str) -> None:
    """Have it done, and wait for its end; cancelled, it goes on by itself. What goes wrong in it the log is told."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def do() -> None:
        try:
            work()
        except Exception:
            _log.exception("%s: an exporter has failed", name)
        with suppress(RuntimeError):  # The loop may have gone on without us.
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=do, name=name, daemon=True).start()
    await done.wait()
