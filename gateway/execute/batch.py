"""Many items by one call: what is kept for them is not asked for, and what comes is kept for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from gateway.caching.clock import now
from gateway.call import Call, Failed, Outcome, Reply, Shelf, value_type
from gateway.errors import BadReply, CallError, NotThere
from gateway.execute.asking import Ask
from gateway.execute.items import place_of, sort_out
from gateway.expressions.reference import Scope, Unresolved
from gateway.formats.encode import Unencodable, encode_json
from gateway.plan import Batch
from gateway.plan.recipe import Recipe
from gateway.render import render_call
from gateway.telemetry import Span
from gateway.verdict import is_outage


@value_type
class Fetching:
    """The items of one loop, fetched."""

    batch: Batch
    recipe: Recipe
    """The call of one item."""

    ask: Ask
    scope: Scope
    span: Span
    items: Mapping[str, object]
    """By identity."""

    calls: dict[str, tuple[Call, ...]] = field(default_factory=dict)
    """What stands for each of them where replies are kept."""

    stale: dict[str, Reply] = field(default_factory=dict)
    """What is kept of them that is too old, and better than a failure."""

    async def kept(self) -> dict[str, Outcome]:
        """Those that need not be asked for, and those that make no call."""
        if not (shelf := self._shelf):
            return {}
        outcomes: dict[str, Outcome] = {}
        for item in self.items:
            try:
                self.calls[item] = self._calls(item)
            except CallError as error:
                outcomes[item] = Failed(error)
        replies = await shelf.kept([*self.calls.values()])
        for item, reply in zip(self.calls, replies, strict=True):
            if reply and reply.cache == "hit":
                outcomes[item] = self._selected(reply)
            elif reply:
                self.stale[item] = reply
        return outcomes

    async def fetch(self, chunk: Sequence[str]) -> dict[str, Outcome]:
        """What one call has for each of these. Whatever else it comes to, each of them has come to it."""
        recipe, scope = self.batch.recipe, {**self.scope, "items": [self.items[item] for item in chunk]}
        asked_at = now()
        outcome = await self.ask(recipe, scope, self.span)
        if not isinstance(outcome, Reply):
            return {item: self._instead(item, outcome) for item in chunk}
        try:
            values = sort_out(outcome.value, self.batch.key)
            places = {item: place_of(self.items[item], self.batch.key) for item in chunk}
            ones = {item: self._of_item(values[place], outcome) for item, place in places.items() if place in values}
        except (Unresolved, Unencodable) as error:
            return dict.fromkeys(chunk, Failed(BadReply(str(error))))
        if shelf := self._shelf:
            await shelf.keep([self.calls[item] for item in ones], [*ones.values()], asked_at)
        return {item: self._selected(ones[item]) if item in ones else _absent() for item in chunk}

    def _of_item(self, value: object, reply: Reply) -> Reply:
        if self._shelf:
            return Reply(reply.status, reply.headers, encode_json(value), value, "miss")
        return Reply(reply.status, reply.headers, b"", value)

    def _instead(self, item: str, outcome: Outcome) -> Outcome:
        """What came of the call that had this item in it; where that is no fault of the item's, what is kept of it is better."""
        stale = self.stale.get(item) if isinstance(outcome, Failed) and is_outage(outcome.error) else None
        return self._selected(stale) if stale else outcome

    def _selected(self, reply: Reply) -> Outcome:
        recipe = self.recipe
        try:
            selected = reply.with_value(recipe.select(reply.value)) if recipe.select else reply
            return selected.with_value(recipe.validate(selected.value)) if recipe.validate else selected
        except BadReply as error:
            return Failed(error)
        except Unresolved as error:
            return Failed(BadReply(str(error)))

    @property
    def _shelf(self) -> Shelf | None:
        return self.ask.callers.shelves.get(self.recipe.key)

    def _calls(self, item: str) -> tuple[Call, ...]:
        """What stands for an item where replies are kept: its own call, and the batch of it alone where that sends what its own does not."""
        one = self.items[item]
        recipes = (self.recipe, self.batch.recipe) if self.batch.sends_more else (self.recipe,)
        scope = {**self.scope, "item": one, "items": [one]}
        return tuple(render_call(recipe, scope, self.ask.deadline, self.span) for recipe in recipes)


def _absent() -> Outcome:
    return Failed(NotThere("the reply to its batch has nothing for it"))
