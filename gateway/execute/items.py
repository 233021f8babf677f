"""The items that a loop goes through, what a batch has for each of them, and where the values go. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gateway.expressions.reference import Expression, Unresolved, as_text
from gateway.formats.encode import Unencodable, encode_json


def identity_of(item: Any) -> str:
    """What tells an item from others: its text as it would be sent, so that 7 and "7" are one. Raises `Unresolved`."""
    try:
        return encode_json(item).decode() if isinstance(item, dict | list) else as_text(item)
    except Unencodable as error:
        raise Unresolved("an item has no form in JSON") from error


def distinct(found: Any) -> dict[str, Any]:
    """The different items of what `for_each` gives, by identity, in the order of their first appearance. Nothing has no items.

    Raises `Unresolved` when it is no list.
    """
    if found is None:
        return {}
    if not isinstance(found, list):
        raise Unresolved("not a list")
    items: dict[str, Any] = {}
    for item in found:
        if item is not None:
            items.setdefault(identity_of(item), item)
    return items


def sort_out(value: Any, key: Expression | None) -> dict[str, Any]:
    """What the reply to a batch has, by the identity of the item it belongs to; of two for one item the first. Raises `Unresolved`."""
    if key is None:
        if not isinstance(value, dict):
            raise Unresolved("the reply to a batch is no object")
        return dict(value)
    if not isinstance(value, list):
        raise Unresolved("the reply to a batch is no list")
    sorted_out: dict[str, Any] = {}
    for element in value:
        if (item := key(element)) is not None:
            sorted_out.setdefault(identity_of(item), element)
    return sorted_out


def join(value: Any, path: tuple[str | None, ...], member: str, find: Callable[[Any], Any]) -> Any:
    """A copy of the value in which the objects at the path have one member more: what `find` makes of them.

    What is no object there, or not there at all, stays as it is.
    """
    if not path:
        return {**value, member: find(value)} if isinstance(value, dict) else value
    head, rest = path[0], path[1:]
    if head is None:
        return [join(element, rest, member, find) for element in value] if isinstance(value, list) else value
    if isinstance(value, dict) and head in value:
        return {**value, head: join(value[head], rest, member, find)}
    return value


def finder(items: Iterable[Any], values: Iterable[Any], on: Expression) -> Callable[[Any], Any]:
    """A function of an object that finds the value of its item, None where it has none. Of items that are objects `on` tells which."""
    by_item: dict[str | None, Any] = {}
    # A type may have made of the values whatever it wants.
    for item, value in zip(items, values, strict=False):
        by_item.setdefault(place_of(item, on), value)
    by_item[None] = None
    return lambda element: by_item.get(_told_by(on, element))


def place_of(item: Any, by: Expression | None) -> str | None:
    """What is found for an item must speak of this: the item, or what the expression makes of one that is an object."""
    return _told_by(by, item) if by and isinstance(item, dict) else identity_of(item)


def _told_by(on: Expression, element: Any) -> str | None:
    """The identity of the item that an object speaks of."""
    try:
        return None if (item := on(element)) is None else identity_of(item)
    except Unresolved:
        return None
