"""Joins, as `gateway.execute.items` does them: a schema in which the objects at a path have one member more."""

from __future__ import annotations

from gateway.openapi.schema import NOTHING, Schema, Schemas, array_of


def join_schema(schema: Schema, path: tuple[str | None, ...], member: str, found: Schema, schemas: Schemas) -> Schema:
    """The schema of what is left when `found` has been put into it. What is no object there stays as it is."""

    def joined(one: Schema) -> Schema:
        kind = one.get("type")
        if not path:
            return _with_member(one, member, found) if kind == "object" else one
        if path[0] is None:
            return _within_list(one, path[1:], member, found, schemas) if kind == "array" else one
        return _within(one, path[0], path[1:], member, found, schemas) if kind == "object" else one

    return schemas.narrow(schema, joined)


def _with_member(one: Schema, member: str, found: Schema) -> Schema:
    words = {word: value for word, value in one.items() if word not in ("minProperties", "maxProperties")}
    properties = {**one.get("properties", {}), member: found}
    return {**words, "properties": properties, "required": [*dict.fromkeys((*one.get("required", ()), member))]}


def _within_list(one: Schema, path: tuple[str | None, ...], member: str, found: Schema, schemas: Schemas) -> Schema:
    return array_of(join_schema(schemas.element(one), path, member, found, schemas))


def _within(one: Schema, name: str, path: tuple[str | None, ...], member: str, found: Schema, schemas: Schemas) -> Schema:
    properties = one.get("properties", {})
    rest = one.get("additionalProperties", {})
    child = properties.get(name, NOTHING if rest is False else rest)
    if child == NOTHING:
        return one
    return {**one, "properties": {**properties, name: join_schema(child, path, member, found, schemas)}}
