"""Requests with a key: the first one runs, its outcome is kept, and whoever repeats it gets that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.types import Scope

from gateway.expressions.reference import SENT
from gateway.idempotency import (
    CREDENTIALS,
    BadKey,
    Kept,
    Key,
    fate_of,
    fingerprint_of,
    is_decided,
    place_of,
    read_key,
    unpack,
)
from gateway.inbound.request import Picked, Refused
from gateway.inbound.response import Response, problem_response
from gateway.policy import IdempotencyPolicy
from gateway.problem import KEY_IN_USE, KEY_MISSING, KEY_REUSED, of_bad_key
from gateway.verdict import IDEMPOTENCY_KEY


class Store(Protocol):
    """What is asked of storage: aiocache's interface, with bytes for values."""

    async def get(self, key: str) -> Any:
        """The bytes stored under this key, None when there are none."""

    async def set(self, key: str, value: Any, ttl: float) -> Any:
        """Keep these bytes for so many seconds."""


@dataclass(frozen=True, slots=True)
class OutcomesState:
    """What requests with a key came to, and which are in flight."""

    store: Store
    flying: dict[str, str] = field(default_factory=dict)
    """The fingerprint of each request in flight, by the place of its outcome."""


@dataclass(frozen=True, slots=True)
class Once:
    """An endpoint's requests, each run once for its key."""

    policy: IdempotencyPolicy
    state: OutcomesState = field(repr=False)

    def key_of(self, headers: Picked) -> Key | None:
        """The key of a request. Raises `Refused`."""
        try:
            key = read_key(headers.get(IDEMPOTENCY_KEY.encode(), ()))
        except BadKey as error:
            raise Refused(of_bad_key(str(error))) from error
        if key is None and self.policy.required:
            raise Refused(KEY_MISSING)
        return key

    async def respond(
        self, key: Key, scope: Scope, headers: Picked, values: dict[str, Any], run: Callable[[], Awaitable[Response]]
    ) -> Response:
        """The outcome of the request, or of the one that it repeats."""
        place = place_of(key, headers.get(CREDENTIALS.encode(), ()))
        request = scope["method"], scope["path"], scope["query_string"], values.get(SENT, b"")
        fingerprint = fingerprint_of(request, ((name.decode(), lines) for name, lines in headers.items()))
        flying = self.state.flying
        if place in flying:
            return problem_response(KEY_IN_USE if fate_of(fingerprint, flying[place], None) == "busy" else KEY_REUSED)
        # Before anything is waited for, so that nobody gets between; and gone with the request, however that ends.
        flying[place] = fingerprint
        try:
            return await self._first(place, fingerprint, run)
        finally:
            del flying[place]

    async def _first(self, place: str, fingerprint: str, run: Callable[[], Awaitable[Response]]) -> Response:
        kept = unpack(await self.state.store.get(place))
        fate = fate_of(fingerprint, None, kept)
        if kept and fate == "replay":
            return Response(kept.status, [*kept.headers, (b"idempotency-replayed", b"true")], kept.body)
        if fate == "reused":
            return problem_response(KEY_REUSED)
        response = await run()
        if response.is_final or is_decided(response.status):
            outcome = Kept(fingerprint, response.status, response.headers, response.body)
            await self.state.store.set(place, outcome.pack(), ttl=self.policy.ttl)
        return response
