"""What JMESPath's functions give, as schemas, and whether they may refuse what they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from gateway.expressions.search import signature
from gateway.openapi.schema import ANY, Schema, Schemas, array_of, tuple_of

Argument: TypeAlias = Schema | Callable[[Schema], Schema]
"""A value's schema, or for `&expression` what it finds in an element."""

_TEXT: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_INTEGER: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_TYPES = ("array", "boolean", "null", "number", "object", "string")
_VARIADIC = ("merge", "not_null")
_BY_KEY = ("max_by", "min_by", "sort_by")
_ORDERED = ("number", "string")


def result_of(name: str, arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    """What the function gives for these arguments, where it takes them."""
    if name in _ALWAYS:
        return _ALWAYS[name]
    rule = _RULES.get(name)
    return rule(arguments, schemas) if rule else ANY


def may_fail(name: str, arguments: Sequence[Argument], schemas: Schemas) -> bool:
    """Whether there are values of these schemas that the function does not take."""
    wanted = signature(name)
    if name in _VARIADIC:
        wanted = [wanted[0] for _ in arguments]
    if not arguments or len(arguments) != len(wanted):
        return True
    if any(not _takes(types, argument, schemas) for types, argument in zip(wanted, arguments, strict=True)):
        return True
    if name in _BY_KEY:
        return not _keys_are_ordered(arguments, schemas)
    if name == "contains" and "string" in schemas.kinds(_value(arguments[0])):
        return not _all_are(_value(arguments[1]), "string", schemas)
    return False


def _takes(types: Sequence[str], argument: Argument, schemas: Schemas) -> bool:
    """Any of these types is taken; none means that every type is."""
    if callable(argument) or not types:
        return True
    plain = {kind for kind in types if "-" not in kind}
    within = [kind.partition("-")[2] for kind in types if "-" in kind]
    return all(
        _kind(one) in plain or (_kind(one) == "array" and any(_all_are(schemas.element(one), kind, schemas) for kind in within))
        for one in schemas.variants(argument)
    )


def _keys_are_ordered(arguments: Sequence[Argument], schemas: Schemas) -> bool:
    elements = next(argument for argument in arguments if not callable(argument))
    key = next((argument for argument in arguments if callable(argument)), None)
    return key is not None and any(_all_are(key(schemas.element(elements)), kind, schemas) for kind in _ORDERED)


def _all_are(schema: Schema, kind: str, schemas: Schemas) -> bool:
    return all(_kind(one) == kind for one in schemas.variants(schema))


def _kind(one: Schema) -> str | None:
    """The type in JMESPath's words, which has one for all numbers."""
    kind: str | None = one.get("type")
    return "number" if kind == "integer" else kind


def _value(argument: Argument) -> Schema:
    return ANY if callable(argument) else argument


def _element(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    return schemas.element(_value(arguments[0]))


def _number(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    """Of integers an integer: the sum, the absolute value."""
    argument = _value(arguments[0])
    kinds = schemas.kinds(argument)
    return _INTEGER if (schemas.kinds(schemas.element(argument)) if "array" in kinds else kinds) <= {"integer"} else _NUMBER


def _one_of_them(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    return schemas.nullable(_element(arguments, schemas))


def _same_elements(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    return array_of(_element(arguments, schemas))


def _reversed(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    kinds = schemas.kinds(_value(arguments[0]))
    text = [_TEXT] if kinds & {"string", None} else []
    lists = [_same_elements(arguments, schemas)] if kinds & {"array", None} else []
    return schemas.union(*text, *lists)


def _mapped(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    each, elements = arguments
    return array_of(each(schemas.element(_value(elements)))) if callable(each) else ANY


def _not_null(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    values = [_value(argument) for argument in arguments]
    found = schemas.union(*map(schemas.without_null, values))
    return schemas.nullable(found) if all(schemas.kinds(one) & {"null", None} for one in values) else found


def _listed(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    def listed(one: Schema) -> Schema:
        return one if one.get("type") == "array" else tuple_of([one]) if "type" in one else array_of(ANY)

    return schemas.narrow(_value(arguments[0]), listed)


def _values(arguments: Sequence[Argument], schemas: Schemas) -> Schema:
    return array_of(schemas.members(_value(arguments[0])))


_ALWAYS: Mapping[str, Schema] = {
    "avg": {"type": ["number", "null"]},
    "ceil": _INTEGER,
    "contains": _BOOLEAN,
    "ends_with": _BOOLEAN,
    "floor": _INTEGER,
    "join": _TEXT,
    "keys": array_of(_TEXT),
    "length": {"type": "integer", "minimum": 0},
    "merge": {"type": "object"},
    "starts_with": _BOOLEAN,
    "to_number": {"type": ["number", "null"]},
    "to_string": _TEXT,
    "type": {"type": "string", "enum": list(_TYPES)},
}
_RULES: Mapping[str, Callable[[Sequence[Argument], Schemas], Schema]] = {
    "abs": _number,
    "map": _mapped,
    "max": _one_of_them,
    "max_by": _one_of_them,
    "min": _one_of_them,
    "min_by": _one_of_them,
    "not_null": _not_null,
    "reverse": _reversed,
    "sort": _same_elements,
    "sort_by": _same_elements,
    "sum": _number,
    "to_array": _listed,
    "values": _values,
}
