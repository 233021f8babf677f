"""Many items by one call: what is kept for them is not asked for, and what comes is kept for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

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

    async def kept(self) -> dict[str, Outcome]:
        """Those that need not be asked for, and those that make no call."""
        if not (shelf := self._shelf):
            return {}
        outcomes: dict[str, Outcome] = {}
        calls: dict[str, tuple[Call, ...]] = {}
        for item in self.items:
            try:
                calls[item] = self._calls(item)
            except CallError as error:
                outcomes[item] = Failed(error)
        replies = await asyncio.gather(*map(shelf.kept, calls.values()))
        for item, reply in zip(calls, replies, strict=True):
            if reply:
                outcomes[item] = self._selected(reply)
        return outcomes

    async def fetch(self, chunk: Sequence[str]) -> dict[str, Outcome]:
        """What one call has for each of these. Whatever else it comes to, each of them has come to it."""
        recipe, scope = self.batch.recipe, {**self.scope, "items": [self.items[item] for item in chunk]}
        outcome = await self.ask(recipe, scope, self.span)
        if not isinstance(outcome, Reply):
            return dict.fromkeys(chunk, outcome)
        try:
            values = sort_out(outcome.value, self.batch.key)
            places = {item: place_of(self.items[item], self.batch.key) for item in chunk}
            return {
                item: await self._of_item(item, values[place], outcome) if place in values else _absent()
                for item, place in places.items()
            }
        except (Unresolved, Unencodable) as error:
            return dict.fromkeys(chunk, Failed(BadReply(str(error))))

    async def _of_item(self, item: str, value: object, reply: Reply) -> Outcome:
        one = Reply(reply.status, reply.headers, b"", value)
        if shelf := self._shelf:
            one = Reply(reply.status, reply.headers, encode_json(value), value, "miss")
            await shelf.keep(self._calls(item), one)
        return self._selected(one)

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
