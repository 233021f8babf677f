"""How plans word what a config says: a value, an expression or a merge, each on one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gateway.answer.merge import Deep, Keyed, Merge, Shallow, Strategy
from gateway.answer.transform import Transform
from gateway.expressions.reference import Structure
from gateway.finding import Path, show

LONGEST = 120
"""Characters of a value that are shown: a stored answer may be a page."""


def show_value(structure: Structure) -> str:
    """A value as it could be written in the config, as far as that is not too long."""
    text = _flow(structure.data)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def on_a_line(text: str) -> str:
    """The text without line breaks, or anything else that a terminal would not print."""
    if text.isprintable():
        return text
    text = " ".join(text.split())
    return text if text.isprintable() else json.dumps(text)


def made_of_others(response: Structure) -> Iterator[tuple[str, str]]:
    """Each part of an answer that is merged or made by a function: its place, `offers.all`, and what it is made of."""
    for place, node in _directives(response.data, ()):
        yield show(place), _flow(node)


def _directives(node: Any, place: Path) -> Iterator[tuple[Path, Merge | Transform]]:
    if isinstance(node, Merge | Transform):
        yield place, node
    elif isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _directives(child, (*place, key))


def _flow(node: Any) -> str:
    if isinstance(node, dict):
        return "{" + ", ".join(f"{_flow(name)}: {_flow(child)}" for name, child in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(_flow, node)) + "]"
    if isinstance(node, Merge | Transform):
        how = _strategy(node.how) if isinstance(node, Merge) else node.hook.name
        return f"{how} ({', '.join(map(_flow, node.parts))})"
    text = json.dumps(node) if node is None or isinstance(node, bool | int | float) else str(node)
    return text if text and text.isprintable() else json.dumps(text)


def _strategy(how: Strategy) -> str:
    """`keyed by sku, last wins`; that a collision fails is not said."""
    by = f" by {how.key}" if isinstance(how, Keyed) else ""
    settled = f", {how.collisions} wins" if isinstance(how, Shallow | Deep | Keyed) and how.collisions != "fail" else ""
    return f"{type(how).__name__.lower()}{by}{settled}"
