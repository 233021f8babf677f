"""A loop, run: the step's call for each item, or one call for a batch of them.

1  the items: every distinct value once; more than the limit fail the step, or the first ones are taken
2  without a batch: the call of each item, as many at once as may be
3  with one: what is kept is not asked for; the rest goes in batches, and what a reply has for each item is sorted out, and kept
4  a failure that the loop cannot do without ends it, and what is in flight with it
5  the value has a place for every item; where nothing came it is null, and the loop says why
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeAlias

from gateway import telemetry
from gateway.call import Failed, Gathered, Outcome, Reply, Skipped, value_type
from gateway.errors import BadReply, CallError, NotThere, StatusRefused, TooManyItems, Unrendered
from gateway.execute.asking import Ask
from gateway.execute.batch import Fetching
from gateway.execute.ending import end
from gateway.execute.items import distinct
from gateway.expressions.reference import REQUEST, Scope, Unresolved
from gateway.plan import Batch, Loop
from gateway.plan.recipe import Recipe, Validate
from gateway.render import is_by_client, resolve
from gateway.telemetry import Span

MOST_TOLD = 3
"""Different troubles of items that the trace is told."""

_NOT_THERE = (404, 410)

Job: TypeAlias = Callable[[], Awaitable[Outcome]]


class _Enough(Exception):
    """There is an outcome that makes all others worthless."""


@value_type
class Round:
    """One run of a loop."""

    loop: Loop
    recipe: Recipe
    ask: Ask
    scope: Scope
    span: Span
    validate: Validate | None = None

    async def __call__(self) -> Outcome:
        """All that came back, as one reply, or what the loop could not do without."""
        loop = self.loop
        try:
            items = distinct(resolve(loop.over, self.scope))  # 1
        except Unresolved as error:
            message = f"{loop.over}: {error}"
            return Failed(Unrendered(message, by_client=True) if is_by_client(loop.over) else BadReply(message))
        except CallError as error:
            return Failed(error)
        lacks: list[CallError] = []
        self.span.own[telemetry.STEP_ITEMS] = len(items)
        if len(items) > loop.limit:
            lacks.append(TooManyItems(len(items), loop.limit, by_client=is_by_client(loop.over)))
            if not loop.takes_first:
                return Failed(lacks[0])
            items = dict(list(items.items())[: loop.limit])
        outcomes = await (self._in_batches(items, loop.batch) if loop.batch else self._one_by_one(items))
        return self._gathered(items, {item: self._blamed(outcome) for item, outcome in outcomes.items()}, lacks)

    async def _one_by_one(self, items: Mapping[str, object]) -> Mapping[str, Outcome]:  # 2
        def job(item: object) -> Job:
            return lambda: self.ask(self.recipe, {**self.scope, "item": item}, self.span)

        jobs = [job(item) for item in items.values()]
        outcomes = await _all(jobs, self.loop.concurrency, self._is_fatal)
        return {item: outcome for item, outcome in zip(items, outcomes, strict=True) if outcome}

    async def _in_batches(self, items: Mapping[str, object], batch: Batch) -> Mapping[str, Outcome]:  # 3
        fetching = Fetching(batch, self.recipe, self.ask, self.scope, self.span, items)
        outcomes = await fetching.kept()
        missing = [item for item in items if item not in outcomes]
        chunks = [missing[start : start + batch.size] for start in range(0, len(missing), batch.size)]
        jobs = [partial(self._fetch, fetching, chunk, outcomes) for chunk in chunks]
        await _all(jobs, self.loop.concurrency, self._is_fatal)
        return outcomes

    async def _fetch(self, fetching: Fetching, chunk: Sequence[str], outcomes: dict[str, Outcome]) -> Outcome:
        """Fetch a chunk, and say the worst that came of it."""
        outcomes |= (fetched := await fetching.fetch(chunk))
        return next(filter(self._is_fatal, fetched.values()), fetched[chunk[0]])

    def _blamed(self, outcome: Outcome) -> Outcome:
        """The outcome; a value that makes no call is the client's fault where the items are the client's, and all else that is sent."""
        error = outcome.error if isinstance(outcome, Failed) else None
        if not isinstance(error, Unrendered) or error.by_client or not is_by_client(self.loop.over):
            return outcome
        recipes = (self.recipe, *([self.loop.batch.recipe] if self.loop.batch else []))
        names = {name[0] for recipe in recipes for expression in recipe.sends() for name in expression.names}
        return Failed(Unrendered(str(error), by_client=True)) if names <= {*REQUEST, "item", "items"} else outcome

    def _is_fatal(self, outcome: Outcome) -> bool:  # 4
        if isinstance(outcome, Failed):
            return self.loop.items != "optional" and not self._is_spared(outcome.error)
        return not isinstance(outcome, Reply | Skipped)

    def _is_spared(self, error: CallError) -> bool:
        return self.loop.items != "required" and _is_not_there(error)

    def _gathered(self, items: Mapping[str, object], outcomes: Mapping[str, Outcome], lacks: list[CallError]) -> Outcome:  # 5
        for item in items:
            if (outcome := outcomes.get(item)) and self._is_fatal(outcome):
                return outcome
        replies = [outcome if isinstance(outcome := outcomes[item], Reply) else None for item in items]
        lacks += [outcome.error for item in items if isinstance(outcome := outcomes[item], Failed)]
        if lacks:
            self.span.own[telemetry.STEP_REASON] = _in_words(lacks)
        parts = tuple(reply for reply in replies if reply)
        caches = {reply.cache for reply in parts if reply.cache}
        cache = None if not caches else caches.pop() if len(caches) == 1 else "miss"
        if cache:
            self.span.own[telemetry.CACHE_STATUS] = cache
        values = [reply.value if reply else None for reply in replies]
        try:
            value = self.validate(values) if self.validate else values
        except BadReply as error:
            return Failed(error)
        return Gathered(200, (), b"", value, cache, items=tuple(items.values()), lacks=tuple(lacks), parts=parts)


def _is_not_there(error: CallError) -> bool:
    return isinstance(error, NotThere) or (isinstance(error, StatusRefused) and error.reply.status in _NOT_THERE)


def _in_words(lacks: Sequence[CallError]) -> str:
    """What is lacking, for the trace: each trouble once, however many items have it."""
    counts = Counter(map(str, lacks)).most_common(MOST_TOLD)
    return ", ".join(f"{count} × {words}" if count > 1 else words for words, count in counts)


async def _all(jobs: Sequence[Job], at_once: int, is_enough: Callable[[Outcome], bool]) -> list[Outcome | None]:
    """What all the jobs came to, so many of them at once; those that an outcome made worthless came to nothing."""
    outcomes: list[Outcome | None] = [None] * len(jobs)
    waiting = iter(enumerate(jobs))

    async def work() -> None:
        for index, job in waiting:
            outcomes[index] = outcome = await job()
            if is_enough(outcome):
                raise _Enough

    workers = [asyncio.ensure_future(work()) for _ in range(min(at_once, len(jobs)))]
    # No task group: what is cancelled while that ends its own tasks never learns of it (until Python 3.13), and would go on.
    with suppress(_Enough):
        try:
            await asyncio.gather(*workers)
        finally:
            await end(workers)
    return outcomes
