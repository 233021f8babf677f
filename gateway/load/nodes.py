"""Text → YAML nodes within bounds, and what a plain scalar means: YAML 1.2, of which PyYAML's own construction knows nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

import yaml

from gateway.finding import Place

_INTEGER = re.compile(r"[-+]?[0-9]{1,1000}|0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYaml(ValueError):
    """The text is no YAML, or none that can be read within bounds; the message says what is wrong, `place` where."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def compose(text: str, deepest: int) -> yaml.Node | None:
    """The root of the one document in the text, None when there is none. Raises `NotYaml`."""
    try:
        _check_depth(text, deepest)
        return yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise NotYaml(*_syntax(error, text)) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise NotYaml(Place(1, 1), "not YAML: it has a character that YAML does not allow") from error


def read_plain(text: str, deepest: int, most: int) -> Any:
    """The data of a YAML text that is no config: no variables, no places, at most this many values. Raises `NotYaml`.

    Keys are text, as in JSON: the `200` of an OpenAPI document too.
    """
    left = [most]

    def value(node: yaml.Node | None, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > deepest:
            raise NotYaml(place(node.start_mark if node else None), "it has too many values, or an alias inside itself")
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): value(child, depth + 1) for key, child in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [value(child, depth + 1) for child in node.value]
        return scalar(node) if isinstance(node, yaml.ScalarNode) else None

    return value(compose(text, deepest), 0)


def scalar(node: yaml.ScalarNode) -> Any:
    """What a scalar is: text, when it is quoted."""
    return node.value if node.style else resolve(node.value)


def resolve(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def place(mark: Any) -> Place:
    """Where a mark of PyYAML's stands."""
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _check_depth(text: str, deepest: int) -> None:
    """Composing recurses in C, where nesting that is too deep ends the process; reading events does not."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            raise NotYaml(place(event.start_mark), f"nested deeper than {deepest}")


def _syntax(error: yaml.MarkedYAMLError, text: str) -> tuple[Place, str]:
    """Where the text stops being YAML, and why. What is missing at the very end is missing behind the last thing written."""
    mark: Any = error.problem_mark
    lines = _LINE_BREAK.split(text.rstrip())
    where = min(place(mark), Place(len(lines), len(lines[-1]) + 1))
    hint = "; YAML is indented with spaces" if text[mark.index : mark.index + 1] == "\t" else ""
    return where, f"not YAML: {', '.join(filter(None, (error.context, error.problem)))}{hint}"
