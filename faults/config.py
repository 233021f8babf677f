"""The config that all is played to: upstreams with the layers that a row is about, an endpoint for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DEADLINE = 1.0
"""Seconds that an answer may take, unless its endpoint says otherwise."""

CONNECT = 1.5
"""Seconds that the gateway takes to find and reach a host."""

PATIENT = 5.0
"""The deadline where that is what a row is about."""

OPEN = 1.0
"""Seconds that a breaker stays open at first, give or take a half."""

UPSTREAMS: dict[str, Mapping[str, Any]] = {
    "plain": {},
    "retried": {"retry": {"attempts": 2, "backoff": "1ms"}},
    "kept": {"cache": {"ttl": "1m"}},
    "shared": {"cache": {"ttl": "1m"}},
    "hot": {"cache": {"ttl": "1s", "stale_while_revalidate": "1m"}},
    "sturdy": {},
    "guarded": {"breaker": {"consecutive": 5, "open": "1s"}, "retry": {"attempts": 2, "backoff": "1ms"}},
    "stormed": {"retry": {"attempts": 3, "backoff": "1ms"}},
    "paused": {"retry": {"attempts": 2, "backoff": "1ms"}},
    "paused_until": {"retry": {"attempts": 2, "backoff": "1ms"}},
    "paused_for_ever": {"retry": {"attempts": 2, "backoff": "1ms"}},
    "black_hole": {},
    "slow": {},
    "moving": {},
}
"""By name, but for their urls: what stands between a call and the wire."""

MEMORY = "32KiB"
"""What may be kept in memory: a few dozens, so that what is asked for in turns is had from Redis."""

ATTEMPT = "250ms"
"""What an attempt may take where all of them may fail."""

STORIES: dict[str, Mapping[str, Any]] = {
    "insistent": {"timeout": ATTEMPT, "retry": {"attempts": 3}},
    "shielded": {"timeout": ATTEMPT, "retry": {"attempts": 3}, "breaker": {}},
    "throttled": {"throttle": {}},
    "tailed": {"hedge": {}},
    "stuck": {"bulkhead": {}, "breaker": {}},
    "beside": {"bulkhead": {"permits": 200}},
    "late": {},
    "crowded": {"timeout": "1s", "breaker": {}},
}
"""The upstreams of the stories, each a server of its own."""

PATIENTLY = frozenset({"black_hole", "slow", "tls_hangs", "shared", "tailed", "crowded", "beside"})
"""Upstreams whose endpoints have `PATIENT`."""


def write(file: Path, urls: Mapping[str, str], tls: Mapping[str, Mapping[str, str]], redis: Mapping[str, str]) -> None:
    """Write the config, with these urls, with further upstreams that are spoken to as `tls` says, and a cache that is shared by `redis`."""
    upstreams = {name: {"url": urls[name], **words} for name, words in (UPSTREAMS | STORIES).items()}
    upstreams |= {name: {"url": urls[name], "tls": words} for name, words in tls.items()}
    # JSON is YAML.
    words = {"version": 1, "cache": {"size": MEMORY, "redis": redis}, "upstreams": upstreams}
    file.write_text(json.dumps({**words, "endpoints": list(_endpoints(upstreams))}))


def _endpoints(upstreams: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in upstreams:
        timeout = f"{PATIENT if name in PATIENTLY else DEADLINE:g}s"
        yield {"path": f"/{name}", "timeout": timeout, "steps": {"reply": {"get": f"{name} /"}}}
        yield {"path": f"/{name}/{{id}}", "timeout": timeout, "steps": {"reply": {"get": f"{name} /{{path.id}}"}}}
        yield {
            "path": f"/{name}",
            "method": "POST",
            "timeout": timeout,
            "steps": {"reply": {"post": f"{name} /", "body": "{body}"}},
        }
    yield {
        "path": "/parts",
        "timeout": f"{DEADLINE:g}s",
        "steps": {"good": {"get": "sturdy /"}, "bad": {"get": "plain /", "optional": True}},
    }
    for name in ("tailed", "crowded"):
        steps = {f"part{number}": {"get": f"{name} /{number}"} for number in range(3)}
        yield {"path": f"/three/{name}", "timeout": f"{PATIENT:g}s", "steps": steps}
    nothing = {"get": "sturdy /", "when": "`false`"}
    yield {
        "path": "/state",
        "steps": {"nothing": nothing},
        "response": {"transform": "faults.inside:state", "of": "nothing"},
    }
