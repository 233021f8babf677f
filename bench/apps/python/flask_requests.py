"""Flask and requests as they are usually put together for a fan-out: threads answer, a shared pool of threads calls, a session in each."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from flask import Flask

PARTS: dict[str, str] = json.loads(os.environ["PARTS"])
ANSWERING = 32
"""Threads of gunicorn, one for each connection of the load."""

pool = ThreadPoolExecutor(max_workers=ANSWERING * min(len(PARTS), 3))
local = threading.local()  # a session is not made for several threads at once
app = Flask(__name__)


def fetch(url: str) -> Any:
    """One part, decoded."""
    session: requests.Session | None = getattr(local, "session", None)
    if session is None:
        session = local.session = requests.Session()
    reply = session.get(url, timeout=5)
    reply.raise_for_status()
    return reply.json()


def aggregate(number: str) -> Any:
    """All parts at once; Flask makes JSON of a dict."""
    replies = pool.map(fetch, [url + number for url in PARTS.values()])
    return dict(zip(PARTS, replies, strict=True))


app.add_url_rule(os.environ["ROUTE"] + "<number>", view_func=aggregate)
