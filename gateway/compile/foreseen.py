"""What can be told of a part of an answer before anything has been called: of what kind it is, and which members it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, TypeAlias

from gateway.answer.merge import Concat, Deep, Keyed, Merge, Shallow
from gateway.expressions.reference import Expression
from gateway.expressions.search import Node

Members: TypeAlias = Mapping[str, Any]
"""By name what can be told of each: a template, a node of an expression, or None."""

OBJECT, LIST = "an object", "a list"

_LISTS = ("multi_select_list", "projection", "value_projection", "filter_projection", "flatten")
_CLAIMS = ("comparator", "not_expression")


def kind(template: Any) -> str | None:
    """Of what kind it is, unless it is null; None when only a reply can tell."""
    if isinstance(template, Expression):
        return _kind_of_node(_last(template.tree))
    if isinstance(template, Merge):
        how = template.how
        return OBJECT if isinstance(how, Shallow | Deep) else LIST if isinstance(how, Concat | Keyed) else None
    return _kind_of_value(template)


def members(template: Any) -> Members | None:
    """The members it has, unless it is null; None when only a reply can tell."""
    if isinstance(template, dict):
        return template
    if isinstance(template, Expression):
        node = _last(template.tree)
        return {pair["value"]: None for pair in node["children"]} if node["type"] == "multi_select_dict" else None
    if isinstance(template, Merge) and kind(template) == OBJECT:
        known = [members(part) for part in template.parts]
        return reduce(_joined, known) if known else None
    return None


def collide(templates: Iterable[Any], *, deep: bool) -> list[str] | None:
    """Members that more than one of them may have; None when only replies can tell. Deep, objects in objects are looked into."""
    known = [members(template) for template in templates]
    if any(one is None for one in known):
        return None
    holders: dict[str, list[Any]] = {}
    for one in known:
        for name, member in (one or {}).items():
            holders.setdefault(name, []).append(member)
    return [name for name, held in holders.items() if len(held) > 1 and not (deep and _stay_apart(held))]


def _stay_apart(templates: list[Any]) -> bool:
    """All of them are objects whatever is replied, none of them null, and have no member in common."""
    return all(map(_is_object, templates)) and collide(templates, deep=True) == []


def _is_object(template: Any) -> bool:
    return isinstance(template, dict) or (isinstance(template, Expression) and template.tree["type"] == "multi_select_dict")


def _joined(one: Members | None, other: Members | None) -> Members | None:
    return None if one is None or other is None else {**one, **other}


def _last(node: Node) -> Node:
    """The part of an expression that makes its value."""
    while node["type"] in ("pipe", "subexpression"):
        node = node["children"][-1]
    return node


def _kind_of_node(node: Node) -> str | None:
    if node["type"] == "literal":
        return _kind_of_value(node["value"])
    if node["type"] == "multi_select_dict":
        return OBJECT
    return LIST if node["type"] in _LISTS else "true or false" if node["type"] in _CLAIMS else None


def _kind_of_value(value: Any) -> str | None:
    kinds = ((dict, OBJECT), (list, LIST), (bool, "true or false"), (int | float, "a number"), (str, "a text"))
    return next((name for kind, name in kinds if isinstance(value, kind)), None)
