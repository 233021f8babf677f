"""A plan and its upstreams' documents → the schema of the answer: what each step's value may be, put through `select` and `response`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import NamedTuple

from gateway.expressions.reference import Structure
from gateway.openapi.components import ComponentsState, Source
from gateway.openapi.document import Document
from gateway.openapi.join import join_schema
from gateway.openapi.reply import reply_schema
from gateway.openapi.schema import ANY, NULL, Schema, Schemas, array_of, object_of
from gateway.openapi.structure import Reading
from gateway.plan import Batch, Loop, Plan, Step
from gateway.plan.recipe import Recipe

_STATUS: Schema = {"type": "object", "properties": {"status": {"type": "integer"}}, "required": ["status"]}


class Promise(NamedTuple):
    """What a plan's answers may be."""

    answer: Schema
    """Without the member that lists what is missing."""

    endings: tuple[tuple[int, Schema | None], ...]
    """The status and value of answers that end early; None: a problem."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Reads plans against the documents of their upstreams, by the upstreams' names."""

    documents: Mapping[str, Document]
    components: ComponentsState

    @property
    def schemas(self) -> Schemas:
        """What looks components up."""
        return Schemas(self.components.resolve)

    def of(self, plan: Plan) -> Promise:
        """What the answers of a plan may be."""
        scope = _ScopeState(plan, self)
        steps = {step.name: step for step in plan.steps}
        # A step is read when those that it needs have been.
        for name in TopologicalSorter({step.name: step.needs for step in plan.steps}).static_order():
            scope.take(steps[name])
        values = object_of(scope.joined)
        if plan.shape.response is None:
            answer = object_of({step.name: scope.joined[step.name] for step in plan.steps})
        else:
            answer = Reading(self.components).template(plan.shape.response.data, values)
        return Promise(answer, tuple(scope.endings))


@dataclass(slots=True)
class _ScopeState:
    """The schemas of the values at hand while the steps of a plan are gone through."""

    plan: Plan
    answers: Answers
    plain: dict[str, Schema] = field(default_factory=dict)
    """Of each value as it came."""

    joined: dict[str, Schema] = field(default_factory=dict)
    """With what is joined into them."""

    skipped: set[str] = field(default_factory=set)
    """Steps that may be skipped and have nothing that stands in for them, so that who needs them is skipped too."""

    endings: list[tuple[int, Schema | None]] = field(default_factory=list)
    complete: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.plain |= _request(self.plan)
        self.joined |= self.plain

    def take(self, step: Step) -> None:
        """Read one step."""
        scope = object_of(self.joined if step.sees_joined else self.plain)
        may_be_skipped = bool(step.when) or any("skip" in recipe.on_status.values() for recipe in _whole(step))
        may_be_skipped = may_be_skipped or any(need in self.skipped for need in step.needs if need not in step.spares)
        value = self._good(step, scope)
        self.endings += self._endings(step, value, scope)
        if step.optional or may_be_skipped:
            instead, may_fail = self._reading.structure(step.fallback, scope) if step.fallback else (NULL, True)
            value = self._schemas.union(value, instead, *([NULL] if may_fail else []))
            if may_fail and may_be_skipped:
                self.skipped.add(step.name)
        self.plain[step.name] = self.joined[step.name] = value
        self._join()

    @property
    def _schemas(self) -> Schemas:
        return self.answers.schemas

    @property
    def _reading(self) -> Reading:
        return Reading(self.answers.components)

    def _good(self, step: Step, scope: Schema) -> Schema:
        """The value of a step that does not fail."""
        if step.schema is not None:
            return self.answers.components.read(step.schema, Source(step.schema))
        own = self._looped(step.loop, step.recipe, scope) if step.loop else self._asked(step.recipe, scope)
        return self._schemas.union(own, *(self._asked(recipe, scope) for recipe in step.others))

    def _asked(self, recipe: Recipe, scope: Schema) -> Schema:
        """What a good reply is taken for."""
        found = self._selected(recipe, reply_schema(recipe, self.answers.documents, self.answers.components))
        meanings = (meaning for meaning in recipe.on_status.values() if isinstance(meaning, Structure))
        return self._schemas.union(found, *(self._reading.structure(meaning, scope)[0] for meaning in meanings))

    def _selected(self, recipe: Recipe, value: Schema) -> Schema:
        return self._reading.expression(recipe.select, value)[0] if recipe.select else value

    def _looped(self, loop: Loop, recipe: Recipe, scope: Schema) -> Schema:
        """A list with a place for every item, null where nothing came."""
        over, _ = self._reading.expression(loop.over, scope)
        within = {**scope["properties"], "item": self._schemas.without_null(self._schemas.element(over))}
        found = self._asked(recipe, object_of(within)) if not loop.batch else self._batched(loop.batch, recipe, scope)
        is_there = loop.items == "required" and not any("skip" in one.on_status.values() for one in (recipe, *_batch(loop)))
        return array_of(found if is_there else self._schemas.nullable(found))

    def _batched(self, batch: Batch, recipe: Recipe, scope: Schema) -> Schema:
        value = self._asked(batch.recipe, object_of({**scope["properties"], "items": {"type": "array"}}))
        each = self._schemas.element(value) if batch.key else self._schemas.members(value)
        # What is kept for an item may have come by its own call, in another endpoint.
        kept = [self._asked(recipe, scope)] if recipe.policies.cache else []
        return self._schemas.union(self._selected(recipe, each), *kept)

    def _endings(self, step: Step, value: Schema, scope: Schema) -> Iterator[tuple[int, Schema | None]]:
        for recipe in (*_whole(step), *([step.recipe] if step.loop else [])):
            yield from ((status, None) for status, meaning in recipe.on_status.items() if meaning == "end")
        if step.end:
            here = object_of({**scope["properties"], step.name: value})
            yield step.end.status, self._reading.structure(step.end.value, here)[0] if step.end.value else None

    def _join(self) -> None:
        """Join whatever has all its parts by now, as `execute` does."""
        for into, parts in self.plan.joins.items():
            if into not in self.complete and parts <= self.plain.keys() and into in self.plain:
                self.complete.add(into)
                for step in self.plan.steps:
                    if step.loop and (join := step.loop.join) and join.into == into:
                        found = self._schemas.nullable(self._schemas.element(self.joined[step.name]))
                        self.joined[into] = join_schema(self.joined[into], join.path, join.member, found, self._schemas)


def _whole(step: Step) -> tuple[Recipe, ...]:
    """The calls that the whole step comes to, and not an item of it."""
    return step.others if step.loop else (step.recipe, *step.others)


def _batch(loop: Loop) -> tuple[Recipe, ...]:
    return (loop.batch.recipe,) if loop.batch else ()


def _request(plan: Plan) -> dict[str, Schema]:
    """What is known of the client's request, its inputs; and of replies beside their values."""
    values: dict[str, dict[str, Schema]] = {"path": {}, "query": {}, "header": {}}
    for one in plan.inputs:
        is_there = one.required or one.default is not None
        values[one.where][one.name] = one.value_schema if is_there else {"anyOf": [one.value_schema, NULL]}
    replies = {"type": "object", "properties": dict.fromkeys((step.name for step in plan.steps), _STATUS)}
    # A header field is found in any spelling of its name.
    return {"path": object_of(values["path"]), "query": object_of(values["query"]), "headers": ANY, "body": ANY, "steps": replies}
