"""Spreading: an expression that makes an object is written out as that object, so that each member is one by itself."""

from __future__ import annotations

from typing import Any

from gateway.answer.shape import nodes
from gateway.expressions.reference import Expression, Structure, walk
from gateway.expressions.search import Node


def spread(response: Structure) -> Structure:
    """The same answer with every `{id: user.id, name: user.name}` as an object of two expressions: one can be made without the other."""
    data = walk(response.data, lambda leaf, _: _members(leaf, leaf.tree) if isinstance(leaf, Expression) else leaf)
    return Structure(data, tuple(node for node in nodes(data) if isinstance(node, Expression)))


def _members(whole: Expression, tree: Node) -> Any:
    if tree["type"] != "multi_select_dict":
        return whole if tree is whole.tree else whole.part(tree)
    return {pair["value"]: _members(whole, pair["children"][0]) for pair in tree["children"]}
