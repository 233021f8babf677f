"""Structures and templates with expressions in them, read against the schema of the values at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.answer.merge import Merge
from gateway.answer.transform import Hook, Transform
from gateway.expressions.reference import Expression, Structure, Template
from gateway.openapi.components import ComponentsState, Source
from gateway.openapi.expression import Search
from gateway.openapi.merging import merge_schema
from gateway.openapi.schema import ANY, Schema, Schemas, object_of, tuple_of

Found: TypeAlias = tuple[Schema, bool]
"""What is found, and whether it may fail: there are values of which nothing can be made."""

_TEXT: Schema = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads what a config has, against schemas."""

    components: ComponentsState

    @property
    def schemas(self) -> Schemas:
        """What looks components up."""
        return Schemas(self.components.resolve)

    def expression(self, expression: Expression, scope: Schema) -> Found:
        """What an expression finds."""
        search = Search(self.schemas)
        return search(expression.tree, scope), search.may_fail

    def structure(self, structure: Structure, scope: Schema) -> Found:
        """What a structure comes to; one reference that does not fit lets all of it fail."""
        if not structure.expressions:
            return {"const": structure({})}, False
        has_text = any(isinstance(leaf, Template) and len(leaf.parts) > 1 for leaf in _leaves(structure.data))
        # Not every value has a form as text.
        may_fail = has_text or any(self.expression(one, scope)[1] for one in structure.expressions)
        return self._part(structure.data, scope), may_fail

    def template(self, node: Any, scope: Schema) -> Schema:
        """A part of the answer's template: an expression that does not fit is null, and costs nothing else."""
        if isinstance(node, dict):
            return object_of({name: self.template(child, scope) for name, child in node.items()})
        if isinstance(node, list):
            return tuple_of([self.template(child, scope) for child in node])
        if isinstance(node, Merge):
            return merge_schema(node, [self.template(part, scope) for part in node.parts], self.schemas)
        if isinstance(node, Transform):
            return self._made_by(node.hook)
        if not isinstance(node, Expression):
            return {"const": node}
        found, may_fail = self.expression(node, scope)
        return self.schemas.nullable(found) if may_fail else found

    def _made_by(self, hook: Hook) -> Schema:
        """What a user's function makes, as far as somebody said it; null where it fails."""
        made = self.components.read(hook.schema, Source(hook.schema)) if hook.schema else ANY
        return self.schemas.nullable(made)

    def _part(self, node: Any, scope: Schema) -> Schema:
        if isinstance(node, dict):
            return object_of({name: self._part(child, scope) for name, child in node.items()})
        if isinstance(node, list):
            return tuple_of([self._part(child, scope) for child in node])
        if isinstance(node, Template):
            return self._text(node, scope)
        return self.expression(node, scope)[0] if isinstance(node, Expression) else {"const": node}

    def _text(self, template: Template, scope: Schema) -> Schema:
        """A template that is one reference gives the value itself; a longer one is absent where one of its references is."""
        if not template.expressions:
            return {"const": template({})}
        found = [self.expression(expression, scope)[0] for expression in template.expressions]
        if len(template.parts) == 1:
            return found[0]
        return self.schemas.nullable(_TEXT) if any(self.schemas.kinds(one) & {"null", None} for one in found) else _TEXT


def _leaves(node: Any) -> Iterator[Any]:
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _leaves(child)
    else:
        yield node
