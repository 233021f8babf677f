"""Tasks that nobody wants the end of any more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


async def end(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel what is not done, and wait until nothing of it is left."""
    if unfinished := [task for task in tasks if not task.done()]:
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
