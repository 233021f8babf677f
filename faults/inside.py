"""What runs inside the gateway's process: the config names `state`, and importing this puts our own name service in the system's place.

Names that end with `.test` are nobody's (RFC 2606), and are looked up in the file that FAULTS_NAMES names; `slow.test` takes its time.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

SLOW_SECONDS = 5.0
"""That a look-up of `slow.test` takes."""

_of_the_system = socket.getaddrinfo


def state(_: Any) -> dict[str, int]:
    """What the event loop has to do, this request included."""
    return {"tasks": len(asyncio.all_tasks())}


def _look_up(host: Any, *more: Any, **options: Any) -> Any:
    """As `socket.getaddrinfo`, which blocks as well."""
    if not str(host).endswith(".test"):
        return _of_the_system(host, *more, **options)
    if host == "slow.test":
        time.sleep(SLOW_SECONDS)
    return _of_the_system(json.loads(Path(os.environ["FAULTS_NAMES"]).read_text())[host], *more, **options)


if "FAULTS_NAMES" in os.environ:
    socket.getaddrinfo = _look_up
