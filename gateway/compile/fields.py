"""The input that every endpoint has without its being written: which members of the answer a client wants."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from gateway.answer.selection import DEEPEST, LONGEST, MOST
from gateway.answer.shape import Shape
from gateway.inputs import Input
from gateway.plan import Step

NAME = "fields"

_NAME = r"[^.,]+"
_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}/]")


def fields_input(shape: Shape, steps: Iterable[Step], inputs: Iterable[Input]) -> Input | None:
    """The input `fields`; None where a query parameter of that name is the endpoint's own."""
    forwarded = {name for step in steps for recipe in step.recipes for name in recipe.forward_query}
    if NAME in forwarded or any(one.where == "query" and one.name == NAME for one in inputs):
        return None
    return Input(
        NAME,
        "query",
        {"type": "array", "items": _names(shape), "minLength": 1, "maxLength": MOST},
        required=False,
        default=None,
        check=None,
        description="What of the answer to send, as in `user,orders.total`: the rest is left out, and what only the rest takes is not called.",
    )


def _names(shape: Shape) -> dict[str, Any]:
    """What a name must be, as far as the config says what there is."""
    members = [part.name for part in shape.parts if part.name]
    known = [_SPECIAL.sub(r"\\\g<0>", name) for name in (*members, shape.errors or "") if re.fullmatch(_NAME, name)]
    first = f"({'|'.join(known)})" if members else _NAME
    return {"type": "string", "maxLength": LONGEST, "pattern": rf"^{first}(\.{_NAME}){{0,{DEEPEST - 1}}}$"}
