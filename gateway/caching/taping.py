"""A passage that is taped: what goes by to the client is kept on its way, and what the client is not to see is held back."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from gateway.caching.cache_status import Member
from gateway.caching.directives import seconds
from gateway.caching.entry import Entry
from gateway.caching.playing import CACHE_STATUS, as_text, status_line
from gateway.call import Reply
from gateway.passage import Flow, Passage

AT_ONCE = 4
"""Replies of the same key that are taped at the same time: a crowd needs one, and a client who reads slowly keeps nobody from it."""

Judge = Callable[[Reply], Entry | None]
"""What is kept of a reply; None when it is not to be."""


class Tape:
    """The client hears each part before it is taped, and nothing is taped that would not be kept: whoever is on the other side waits for
    neither.
    """

    def __init__(
        self, passage: Passage | None, flow: Flow, judge: Judge, longest: int, held: Callable[[int], bool], member: Member
    ) -> None:
        self.flow = flow
        self.judge = judge
        self.head: Reply | None = None
        """The reply without its body, once it has begun."""

        self.is_held = False
        """The client sees nothing of it."""

        self._passage = passage
        """The client's; None where there is none."""

        self._longest = longest
        self._holds = held
        self._member = member
        self._parts: list[bytes] = []
        self._entry: Entry | None = None
        """Without its body; None: it is not taped."""

        self._size = 0

    @property
    def entry(self) -> Entry | None:
        """What is kept of it, when all of it has gone by."""
        return None if self._entry is None else replace(self._entry, body=b"".join(self._parts))

    async def body(self) -> AsyncIterator[bytes]:
        """What the client sends."""
        if self._passage:
            async for part in self._passage.body():
                yield part

    async def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The reply's head."""
        raw = list(headers)
        self.head = head = Reply(status, as_text(raw))
        self.is_held = self._holds(status)
        if self.is_held:
            return
        length = seconds(head.header("content-length"))
        if length is None or length <= self._longest:
            self._entry = self.judge(head)
        if self._passage:
            others = [line for line in raw if line[0].lower() != CACHE_STATUS]
            await self._passage.begin(status, [*others, status_line(head.headers, self._said(status, length))])

    async def take(self, part: bytes) -> None:
        """The next part of its body."""
        if self.is_held:
            return
        if self._passage:
            await self._passage.take(part)
        if self._entry is not None:
            self._size += len(part)
            self._parts.append(part)
            if self._size > self._longest:
                self._entry, self._parts = None, []

    def _said(self, status: int, length: int | None) -> Member:
        # How long it gets nobody knows where it does not say; what is too long is not kept.
        is_stored = self._entry is not None and length is not None
        return Member(fwd=self._member.fwd, fwd_status=status, stored=is_stored)


class TapesState:
    """How many replies are being taped, by their key: they take memory until they have gone by."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    @contextmanager
    def room(self, key: str, most: int) -> Iterator[int]:
        """Bytes that one more may have meanwhile: this many, or none."""
        self._running[key] += 1
        try:
            yield most if self._running[key] <= AT_ONCE else 0
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
