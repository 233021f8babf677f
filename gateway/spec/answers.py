"""What may be written in the template of an answer besides expressions."""

from __future__ import annotations

from typing import Any, Literal

from gateway.spec.words import Spec


class MergeSpec(Spec):
    """A part of `response` that is made of several others. A mapping with the key `merge` is one."""

    merge: tuple[Any, ...]
    """Two parts or more, each a template. One that is null takes no part; where all are null, so is this."""

    how: str
    """`shallow`: the members of objects. `deep`: and those of the objects in them. `concat`: lists, one after the other. `keyed(FIELD)`:
    lists of objects, those with the same FIELD as one; FIELD is an expression over an element. `prefer`: the first that is not null."""

    collisions: Literal["first", "last", "fail"] | None = None
    """Which of several different values of one member stays; `fail`: none, this part is null and listed under `errors`. Required for
    `shallow`, `deep` and `keyed` unless the parts are seen to have no member in common."""


class TransformSpec(Spec):
    """A part of `response` that a Python function makes. A mapping with the key `transform` is one."""

    transform: str
    """`module:function`. It is imported when the config is read, and called with the value of `of`."""

    of: Any
    """The template of what it is called with."""
