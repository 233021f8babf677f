"""Bodies that go by: the client's on its way up and the reply's on its way down, each a part at a time and kept by nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Flow:
    """What is known of both bodies, and what of them has gone by."""

    length: int | None
    """Bytes of the client's body; None when nobody knows before its end."""

    idle: float
    """Seconds for which a side may be silent whose turn it is to send a part, or to take one."""

    sent: int = 0
    """Bytes of the client's body so far."""

    status: int = 0
    """Of the reply; 0 until its head has come. From then on the client cannot be told anything else."""

    received: int = 0
    """Bytes of the reply's body so far."""


class Passage(Protocol):
    """The client's end of a call whose bodies go by.

    Each part is handed on before the next is asked for, so that a side that is slow slows the other one down. A caller returns when the
    last part of the reply is through: to the layers around it such a call takes as long as any other, from its first byte to its last.
    """

    @property
    def flow(self) -> Flow:
        """What has gone by."""

    def body(self) -> AsyncIterator[bytes]:
        """The client's body; it can be read once."""

    async def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take the reply's head, as it came."""

    async def take(self, part: bytes) -> None:
        """Take the next part of the reply's body, in the coding that it came in."""


class Heard:
    """A passage with somebody beside it who is told the reply's status as soon as it is there."""

    def __init__(self, passage: Passage, tell: Callable[[int], None]) -> None:
        self.flow = passage.flow
        self.body = passage.body
        self.take = passage.take
        self._passage = passage
        self._tell = tell

    async def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The reply's head."""
        self._tell(status)
        await self._passage.begin(status, headers)
