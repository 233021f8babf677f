"""Merges, as `gateway.answer.merge` does them, of schemas: what several parts of an answer make together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gateway.answer.merge import Concat, Keyed, Merge, Prefer, Shallow
from gateway.openapi.schema import ANY, NOTHING, Schema, Schemas, array_of


class _Part(NamedTuple):
    """One of several objects."""

    schema: Schema
    is_there: bool
    """It is never null, so that it always takes part."""

    def member(self, name: str) -> Schema:
        """What its member of this name may be, if it has one."""
        rest = self.schema.get("additionalProperties", ANY)
        found: Schema = self.schema.get("properties", {}).get(name, NOTHING if rest is False else rest)
        return found

    def requires(self, name: str) -> bool:
        """Whether it has this member in any case."""
        return self.is_there and name in self.schema.get("required", ())


def merge_schema(merge: Merge, parts: Sequence[Schema], schemas: Schemas) -> Schema:
    """What is made of parts of these schemas; null where nothing can be, or all of them are."""
    if isinstance(merge.how, Prefer):
        found, kind = schemas.union(*map(schemas.without_null, parts)), None
    elif isinstance(merge.how, Concat):
        found, kind = array_of(schemas.union(*map(schemas.element, parts))), "array"
    elif isinstance(merge.how, Keyed):
        found, kind = {"type": "array"}, "array"
    else:
        objects = _objects(parts, schemas) if isinstance(merge.how, Shallow) else None
        found, kind = _united(objects, merge.how.collisions, schemas) if objects else {"type": "object"}, "object"
    kinds = [schemas.kinds(part) for part in parts]
    fits = kind is None or (all(one <= {kind, "null"} for one in kinds) and getattr(merge.how, "collisions", "first") != "fail")
    is_there = any(not one & {"null", None} for one in kinds)
    return found if fits and is_there else schemas.nullable(found)


def _objects(parts: Iterable[Schema], schemas: Schemas) -> list[_Part] | None:
    """The one object that each part is; None where one may be several, or nobody knows."""
    objects: list[_Part] = []
    for part in parts:
        variants = schemas.variants(part)
        there = [one for one in variants if one.get("type") == "object"]
        if len(there) != 1 or any("type" not in one for one in variants):
            return None
        objects.append(_Part(there[0], is_there=len(variants) == 1))
    return objects


def _united(parts: Sequence[_Part], collisions: str, schemas: Schemas) -> Schema:
    """One object with the members of all."""
    names = dict.fromkeys(name for part in parts for name in part.schema.get("properties", {}))
    # Those that count first; where different values are refused, any one of them is the value.
    order = parts[::-1] if collisions == "last" else parts
    united: dict[str, Any] = {
        "type": "object",
        "properties": {name: _settled(name, order, any_of_them=collisions == "fail", schemas=schemas) for name in names},
        "required": [name for name in names if any(part.requires(name) for part in parts)],
    }
    rest = [part.schema.get("additionalProperties", ANY) for part in parts]
    if all(one is False for one in rest):
        united["additionalProperties"] = False
    return united


def _settled(name: str, parts: Sequence[_Part], *, any_of_them: bool, schemas: Schemas) -> Schema:
    """What the member is: that of the first part which has it."""
    if any_of_them and (sure := next((part for part in parts if part.requires(name)), None)):
        return sure.member(name)
    found: list[Schema] = []
    for part in parts:
        found.append(part.member(name))
        if part.requires(name):
            break
    return schemas.union(*found)
