"""Where what is kept of replies and answers is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from gateway.policy import Duration, Size, TlsPolicy
from gateway.spec.words import Prefix, Spec


def _nothing_is_none(value: Any) -> Any:
    return None if value is False or value == 0 else value


class RedisSpec(Spec):
    """A Redis, or Valkey, that several gateways share. In trouble it costs its hits and nothing else."""

    url: str
    """Where it is: `redis://HOST:PORT/DB`, with TLS and verified `rediss://`; `redis://:${REDIS_PASSWORD}@HOST` with a password. It is
    never shown. Empty, as `${REDIS_URL:-}` may be: there is none."""

    prefix: Prefix = "fanin:"
    """What every key begins with. Gateways that have the same share what is kept, and what is purged."""

    timeout: Duration = Field(0.015, json_schema_extra={"default": "15ms"})
    """Nothing heard for so long is trouble: everybody goes on without it until it is back. No request waits longer."""

    tls: TlsPolicy | None = None
    """Certificates, for a `rediss://` url. Without it the system's are trusted, and none is shown."""


class StorageSpec(Spec):
    """Where what is kept of replies and answers is kept, and how much of it."""

    size: Annotated[Size | None, BeforeValidator(_nothing_is_none, json_schema_input_type=Size | Literal[0, False] | None)] = (
        Field(64 * 1024**2, json_schema_extra={"default": "64MiB"})
    )
    """Bytes that it may take in memory, in each worker. `0` with `redis`: there alone."""

    entries: int = Field(100_000, ge=1, le=10_000_000)
    """Replies and answers that may be kept in memory, in each worker."""

    redis: RedisSpec | None = None
    """Where it is kept for all who share it, with the memory in front. Off unless written."""
