"""What is kept of replies and answers, and for whom: decided here, on values (RFC 9111). Who keeps it is the store's business.

A **place** is where a call's reply is kept: its key, and what is there already. An **entry** is what is kept there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from gateway.caching.entry import Entry

if TYPE_CHECKING:
    from gateway.telemetry import Span

__all__ = ["LONGEST_TAG", "NOWHERE", "Background", "Board", "Counts", "Entry", "Hot", "Place", "Store"]


LONGEST_TAG = 256
"""Characters of a tag."""


@dataclass(slots=True)
class Place:
    """Where the reply to a call is kept. A step says of it what its config does, the cache the rest."""

    key: str = ""
    """A digest of all that the upstream can tell calls apart by, or of `named`."""

    named: tuple[str, ...] | None = field(default=None, repr=False)
    """What the config's `key` comes to, part by part, so that no value can pass for two; empty where it comes to nothing, and the reply is
    not to be kept. None: the config has none.
    """

    tags: tuple[str, ...] = field(default=(), repr=False)
    """What the config's `tags` come to."""

    entry: Entry | None = field(default=None, repr=False)
    """What is there: too old to be served as it is, and good for asking whether it still holds."""


NOWHERE = Place(named=())
"""Of a call whose reply is not to be kept."""


class Counts(NamedTuple):
    """What a store has come to since the process began."""

    store: str
    """`memory`, `redis`."""

    hits: int
    misses: int

    entries: int | None = None
    """How many there are now; None where nobody knows without asking."""

    bytes: int | None = None
    """What they take, about."""

    is_well: bool = True
    """It is there, and does what it is asked to."""


class Hot(NamedTuple):
    """A key that is hit often."""

    key: str
    hits: int
    scopes: tuple[str, ...] = ()
    """What is kept under it can be purged by these."""


class Store(Protocol):
    """What is asked of storage: aiocache's interface, with entries for values. It never raises: a store in trouble has nothing, and keeps
    nothing.
    """

    async def get(self, key: str) -> Entry | None:
        """What is kept under this key."""

    async def multi_get(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        """What is kept under each of these keys, in one trip."""

    async def set(self, key: str, value: Entry, ttl: float) -> Any:
        """Keep it for so many seconds; after that nobody has a use for it, not even a stale one."""

    async def multi_set(self, pairs: Sequence[tuple[str, Entry]], ttl: float) -> Any:
        """Keep each of these under its key for so many seconds, in one trip."""

    async def delete(self, key: str) -> Any:
        """Keep nothing under this key."""

    def lease(self, key: str) -> AbstractAsyncContextManager[bool | None]:
        """The right to make what is to be kept under this key, among all processes that share the store; held, and renewed, as long as
        the block lasts. Who has waited too long for another's goes on without.

        True: it is ours. False: it was another's, or the store is in trouble. Either way others may have kept it since it was looked for,
        so that it is to be looked for once more. None: there are no others.
        """

    def counts(self) -> Sequence[Counts]:
        """What each tier of it has come to, the nearest first."""

    def hottest(self, most: int) -> Sequence[Hot]:
        """The keys that this process has hit most often of those that it read last from its memory."""


class Board(Protocol):
    """Where purges are told to all processes that keep the same things."""

    def tell(self, scope: str, at: float) -> None:
        """What has this scope, and was asked for at this time or before, is void: here from now on, elsewhere as soon as may be."""

    async def told(self) -> bool:
        """Wait, a short time only, until the board has taken all that was told here: whether it has. Otherwise it will, when it is back."""


Work: TypeAlias = "Callable[[Span], Awaitable[object]]"


class Background(Protocol):
    """Has work done that no request waits for."""

    def __call__(self, name: str, cause: Span, work: Work) -> None:
        """Begin the work in a trace of its own that links to the span it is done because of. Its name is one of few: from the code or the
        config, not from a request. It ends with the app's lifespan at the latest. A `CallError` fails its span; whatever else it raises is a
        bug, and logged.
        """
