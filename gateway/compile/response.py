"""The template of an answer: every string an expression, and in it the directives `merge` and `transform`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from gateway.answer.merge import Collisions, Concat, Deep, Keyed, Merge, Prefer, Shallow, Strategy
from gateway.answer.shape import nodes
from gateway.answer.transform import BadHook, Hook, Transform, find_hook
from gateway.compile.foreseen import LIST, OBJECT, collide, kind
from gateway.compile.report import Reading
from gateway.expressions.reference import Expression, Structure, did_you_mean, parse_expression
from gateway.finding import Path
from gateway.load.validation import in_words
from gateway.spec import MergeSpec, TransformSpec

AnySpec = TypeVar("AnySpec", MergeSpec, TransformSpec)

WAYS = ("shallow", "deep", "concat", "keyed(FIELD)", "prefer")
"""What may be written under `how`."""

_KEYED = re.compile(r"keyed(?:\((.*)\))?", re.DOTALL)
_KINDS: Mapping[type[Strategy], str] = {Shallow: OBJECT, Deep: OBJECT, Concat: LIST, Keyed: LIST}
"""What each way merges; `prefer` takes anything."""

_LACKING = {
    "how": f"'how' is required beside 'merge': {', '.join(WAYS[:-1])} or {WAYS[-1]}",
    "of": "'of' is required beside 'transform': the template of what the function is given",
}


def read_response(data: Any, path: Path, reading: Reading) -> Structure:
    """The template as a tree of objects, lists, expressions, literals and directives. What is wrong with it is reported."""
    tree = _read(data, path, reading)
    return Structure(tree, tuple(node for node in nodes(tree) if isinstance(node, Expression)))


def hooked(hook: Hook, steps: Iterable[str]) -> Structure:
    """The template of an answer that a class makes itself, of every step's value."""
    values = {name: parse_expression(name) for name in steps}
    return Structure(Transform(hook, values), tuple(values.values()))


def _read(data: Any, path: Path, reading: Reading) -> Any:
    if isinstance(data, str):
        return reading.expression(data, path)
    if isinstance(data, list):
        return [_read(child, (*path, index), reading) for index, child in enumerate(data)]
    if not isinstance(data, dict):
        return data
    if "merge" in data:
        return _merge(data, path, reading)
    if "transform" in data:
        return _transform(data, path, reading)
    return {name: _read(child, (*path, name), reading) for name, child in data.items()}


def _merge(data: dict[str, Any], path: Path, reading: Reading) -> Merge | None:
    # The parts are read first: what is wrong in them is worth a word whatever is wrong beside them.
    parts = _read(data["merge"], (*path, "merge"), reading) if isinstance(data["merge"], list) else []
    spec = _valid(MergeSpec, data, path, reading)
    if spec is None:
        return None
    if len(parts) < 2:
        reading.report.add((*path, "merge"), "should have two parts or more; one by itself needs no merging")
    how = _strategy(spec, (*path, "how"), reading)
    if how is None:
        return None
    _check_kinds(how, spec, parts, path, reading)
    _check_collisions(how, spec, parts, path, reading)
    return Merge(tuple(parts), how)


def _strategy(spec: MergeSpec, path: Path, reading: Reading) -> Strategy | None:
    collisions: Collisions = spec.collisions or "fail"
    plain: Mapping[str, Strategy] = {
        "shallow": Shallow(collisions),
        "deep": Deep(collisions),
        "concat": Concat(),
        "prefer": Prefer(),
    }
    if spec.how in plain:
        return plain[spec.how]
    keyed = _KEYED.fullmatch(spec.how)
    if not keyed:
        hint = did_you_mean(spec.how.partition("(")[0], (*plain, "keyed")) or f"; there are {', '.join(WAYS)}"
        reading.report.add(path, f"unknown way to merge {spec.how!r}{hint}")
        return None
    if not keyed[1]:
        reading.report.add(path, "say which field makes two elements one, as in keyed(id)")
        return None
    key = reading.own(keyed[1], path)
    return Keyed(key, collisions) if key else None


def _check_kinds(how: Strategy, spec: MergeSpec, parts: list[Any], path: Path, reading: Reading) -> None:
    """Report parts that can never be merged like this."""
    wanted = _KINDS.get(type(how))
    for index, part in enumerate(parts):
        if wanted and (known := kind(part)) and known != wanted:
            plural = "objects" if wanted == OBJECT else "lists"
            reading.report.add((*path, "merge", index), f"{spec.how!r} merges {plural}, and this is {known}")


def _check_collisions(how: Strategy, spec: MergeSpec, parts: list[Any], path: Path, reading: Reading) -> None:
    """Report that it is not said what becomes of a value that another one meets: nothing is overwritten silently."""
    if isinstance(how, Concat | Prefer):
        if spec.collisions:
            reading.report.add((*path, "collisions"), f"is never used: with {spec.how!r} nothing is overwritten", at_key=True)
        return
    common = collide(parts, deep=isinstance(how, Deep))
    if spec.collisions or common == []:
        return
    what = f"more than one part has {', '.join(map(repr, common))}" if common else "two parts may have the same member"
    words = ", ".join(get_args(Collisions))
    reading.report.add(path, f"{what}; say with 'collisions' which one stays: {words}", at_key=True)


def _transform(data: dict[str, Any], path: Path, reading: Reading) -> Transform | None:
    of = _read(data["of"], (*path, "of"), reading) if "of" in data else None
    spec = _valid(TransformSpec, data, path, reading)
    if spec is None:
        return None
    place = (*path, "transform")
    if place in reading.report.source.outside:
        reading.report.add(place, "'${…}' is text and cannot name a function, which is code")
        return None
    try:
        return Transform(find_hook(spec.transform), of)
    except BadHook as error:
        reading.report.add(place, str(error))
        return None


def _valid(kind: type[AnySpec], data: dict[str, Any], path: Path, reading: Reading) -> AnySpec | None:
    """The mapping as what it is meant to be; None when it has been reported."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        _report(kind, error, path, reading)
        return None


def _report(kind: type[MergeSpec | TransformSpec], error: ValidationError, path: Path, reading: Reading) -> None:
    directive = next(iter(kind.model_fields))
    found = error.errors(include_url=False, include_input=False)
    unknown = [str(one["loc"][0]) for one in found if one["type"] == "extra_forbidden"]
    for name in unknown:
        hint = (
            did_you_mean(name, kind.model_fields) or f"; if {directive!r} is a member, write an expression: '{{{directive}: …}}'"
        )
        reading.report.add((*path, name), f"unknown key {name!r} beside {directive!r}{hint}", at_key=True)
    for one in found:
        if one["type"] not in ("extra_forbidden", "missing"):
            reading.report.add((*path, *one["loc"]), in_words(one))
        elif not unknown:  # else it may be what was meant
            reading.report.add(path, _LACKING[str(one["loc"][0])], at_key=True)
