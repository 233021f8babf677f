"""References: `{path.id}`, `{user.segment}`; parsed once, checked when the config is read, rendered when a request runs.

An *expression* is JMESPath over the values at hand. It has no loops, no I/O and no regular expressions, so it always ends. A
*template* is text with expressions in braces; `{{` and `}}` are the braces themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from gateway.expressions.search import Node, Search, make_search

Scope: TypeAlias = Mapping[str, Any]
"""The values at hand: `path query headers body` and every finished step's value by its name."""

REQUEST = ("path", "query", "headers", "body")
"""What a reference can read of the client's request; every other name is a step's."""

SENT = "body as it came"
"""Where the scope has the bytes of the client's body, when a step forwards them; no reference can name it."""

LONGEST = 2_000
"""Characters an expression may have: deeply nested ones exhaust the parser's stack."""

_QUOTES = "'\"`"
_LEFT_FIRST = ("pipe", "projection", "filter_projection", "value_projection", "flatten", "index_expression")
"""Nodes of which only the left side stands in the scope; the right side is read from what the left side gave."""


class BadExpression(ValueError):
    """The text is not an expression; the message says what is wrong with it."""


class Unresolved(ValueError):
    """The expression does not fit the values at hand, such as a sum over text."""


class Fields(dict[str, Any]):
    """Header fields by name; `accept_language` finds `accept-language`, since a hyphen would have to be quoted in an expression."""

    def __init__(self, fields: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__((_spelled(name), value) for name, value in fields)

    @classmethod
    def of(cls, headers: Iterable[tuple[str, str]]) -> Fields:
        """The fields of a reply. What came on several lines is the list of their values, as with a client's."""
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name, []).append(value)
        return cls((name, lines if len(lines) > 1 else lines[0]) for name, lines in values.items())

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, in any spelling of its name."""
        return super().get(_spelled(name), default)


@dataclass(frozen=True, slots=True)
class Expression:
    """A JMESPath expression with what it names at its top: `orders[].id` names `("orders",)`."""

    text: str
    names: tuple[tuple[str, ...], ...]
    """Each name it reads from the scope, with the fields behind it as far as they are plain."""

    tree: Node = field(repr=False, compare=False)
    """Its syntax: what can be told of its value before there is one."""

    _search: Search = field(repr=False, compare=False)

    def __call__(self, scope: Scope) -> Any:
        """The value in this scope, None where it is absent. Raises `Unresolved` when the values do not fit."""
        try:
            return self._search(scope)
        except (JMESPathError, RecursionError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
            # The text of JMESPath's errors quotes the values it tripped over, which are not ours to show.
            raise Unresolved(f"{self.text!r} does not fit the values at hand") from error

    @property
    def heads(self) -> Iterator[str]:
        """The names at its top: steps, and what there is of the request. `steps.NAME.status` reads the step."""
        return (name[1] if name[0] == "steps" else name[0] for name in self.names)

    def part(self, tree: Node) -> Expression:
        """What a part of its syntax says, as an expression that is shown as the whole."""
        return Expression(self.text, tuple(dict.fromkeys(_names(tree))), tree, make_search(tree))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Template:
    """Text with references. A template that is one reference gives the value itself, with its type."""

    text: str
    parts: tuple[str | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The references in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    def values(self, scope: Scope) -> list[Any]:
        """The parts, each reference replaced by its value. Raises `Unresolved`."""
        return [part(scope) if isinstance(part, Expression) else part for part in self.parts]

    def __call__(self, scope: Scope) -> Any:
        """The value. Text with an absent reference is itself absent: None. Raises `Unresolved`."""
        values = self.values(scope)
        if len(values) == 1:
            return values[0]
        if any(value is None for value in values):
            return None
        return "".join(as_text(value) for value in values)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Structure:
    """JSON with references in it: what to send as a body, what stands in for a step, what the answer looks like."""

    data: Any = field(repr=False)
    """The structure; each leaf is a literal, a `Template` or an `Expression`."""

    expressions: tuple[Expression, ...] = ()

    def __call__(self, scope: Scope) -> Any:
        """The structure with every reference replaced by its value. Raises `Unresolved`."""
        return walk(self.data, lambda leaf, _: leaf(scope) if isinstance(leaf, Template | Expression) else leaf)


Leaf: TypeAlias = Callable[[str, "Trail"], Template | Expression | None]
Trail: TypeAlias = tuple[str | int, ...]
"""Where something stands inside a structure: `("items", 0, "id")`."""


def parse_structure(data: Any, leaf: Leaf, trail: Trail = ()) -> Structure:
    """Parse every string in the data. `leaf` parses one and may report it, giving None, instead of raising."""
    found: list[Expression] = []

    def parsed(node: Any, trail: Trail) -> Any:
        made = leaf(node, trail) if isinstance(node, str) else node
        if isinstance(made, Template):
            found.extend(made.expressions)
        elif isinstance(made, Expression):
            found.append(made)
        return made

    return Structure(walk(data, parsed, trail), tuple(found))


def walk(node: Any, leaf: Callable[[Any, Trail], Any], trail: Trail = ()) -> Any:
    """The same structure with every leaf, which is all that is no object and no list, replaced by what `leaf` makes of it."""
    if isinstance(node, dict):
        return {name: walk(child, leaf, (*trail, name)) for name, child in node.items()}
    if isinstance(node, list):
        return [walk(child, leaf, (*trail, index)) for index, child in enumerate(node)]
    return leaf(node, trail)


def _spelled(field_name: str) -> str:
    return field_name.lower().replace("_", "-")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message: `; did you mean 'users'?` when something known is close, else nothing."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def as_text(value: Any) -> str:
    """A value inside a longer text: numbers and booleans as in JSON, a list as its values between commas. Raises `Unresolved`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        try:
            return ",".join(map(as_text, value))
        except RecursionError as error:
            raise Unresolved("a list nested this deeply has no form as text") from error
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, dict):
        raise Unresolved("an object or null has no form as text")
    # Python writes numbers as JSON has them. Its JSON encoder does too, for ten times as long: half a million of them in a client's body
    # would be seconds in which nobody else is served.
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        try:
            return str(value)
        except ValueError:
            pass  # longer than Python is willing to write
    raise Unresolved("a number out of all bounds has no form as text")


def parse_expression(text: str) -> Expression:
    """Parse JMESPath. Raises `BadExpression`."""
    if len(text) > LONGEST:
        raise BadExpression(f"longer than {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PendingDeprecationWarning)
            compiled = jmespath.compile(text)
        _check(compiled.parsed)
        names = tuple(dict.fromkeys(_names(compiled.parsed)))
        search = make_search(compiled.parsed)
    except JMESPathError as error:
        raise BadExpression(_reason(error)) from error
    except PendingDeprecationWarning as warning:
        raise BadExpression("what stands between backticks is JSON; write text between single quotes") from warning
    except RecursionError as error:
        raise BadExpression("nested too deeply") from error
    return Expression(text, names, compiled.parsed, search)


def parse_template(text: str) -> Template:
    """Parse text with references. Raises `BadExpression`."""
    parts: list[str | Expression] = []
    for piece, is_reference in pieces(text):
        parts.append(parse_expression(piece) if is_reference else piece)
    return Template(text, tuple(parts) or ("",))


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Cut text into (literal, False) and (expression, True), quotes and nested braces respected. Raises `BadExpression`."""
    literal, at = "", 0
    while at < len(text):
        if text[at : at + 2] in ("{{", "}}"):
            literal, at = literal + text[at], at + 2
        elif text[at] == "{":
            end = _closing(text, at)
            if literal:
                yield literal, False
            yield text[at + 1 : end].strip(), True
            literal, at = "", end + 1
        elif text[at] == "}":
            raise BadExpression(f"a '}}' without its '{{' at character {at + 1}; write '}}}}' for the brace itself")
        else:
            literal, at = literal + text[at], at + 1
    if literal:
        yield literal, False


def masked(text: str) -> str:
    """The text with every reference blanked out, same length, so that a `?` or `=` inside one is not taken for the text's own."""
    mask, at = "", 0
    while at < len(text):
        if text[at : at + 2] in ("{{", "}}"):
            end = at + 2
        else:
            end = (_closing(text, at) if text[at] == "{" else at) + 1
        mask += text[at] if end == at + 1 else "\0" * (end - at)
        at = end
    return mask


def _closing(text: str, start: int) -> int:
    """Index of the brace that closes the one at `start`; a brace inside quotes closes nothing."""
    depth, quote, at = 0, "", start
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in _QUOTES:
            quote = char
        else:
            depth += (char == "{") - (char == "}")
            if depth == 0:
                return at
        at += 1
    raise BadExpression(f"the '{{' at character {start + 1} is never closed; write '{{{{' for the brace itself")


def _names(node: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What an expression reads from the scope itself, leaving out what it reads from the results of its own parts."""
    kind, children = node["type"], node["children"]
    if kind == "field":
        yield (node["value"],)
    elif kind in ("current", "identity"):
        # Everything at once. Of a reply's own body that is a good thing to read; no scope has such a name.
        yield ("@",)
    elif kind == "subexpression":
        yield from _dotted(children)
    elif kind in _LEFT_FIRST:
        yield from _names(children[0])
    elif kind != "expref":
        for child in children:
            yield from _names(child)


def _check(node: Mapping[str, Any], parent: str = "") -> None:
    """Refuse what parses and can never give what its author means."""
    kind = node["type"]
    children = [child for child in node["children"] if isinstance(child, dict)]  # a slice has numbers
    if kind == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
        raise BadExpression(f"unknown function {node['value']}(){did_you_mean(node['value'], Functions.FUNCTION_TABLE)}")
    if kind == "expref" and parent != "function_expression":
        raise BadExpression("'&' stands only before an argument of a function, as in sort_by(orders, &total)")
    if kind in ("subexpression", *_LEFT_FIRST) and kind != "pipe" and children[0]["type"] == "not_expression":
        # JMESPath reads !user.blocked as (!user).blocked, which is null whoever the user is.
        raise BadExpression("'!' negates only the name right behind it; write !(user.blocked) for a field's")
    for child in children:
        _check(child, kind)


def _dotted(children: list[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """`a.b[0].c`: the name at its head, with the plain fields that follow it."""
    head, *rest = children
    if head["type"] != "field":
        yield from _names(head)
        return
    path = [head["value"]]
    for child in rest:
        first = child
        while first["type"] in _LEFT_FIRST:
            first = first["children"][0]
        if first["type"] != "field":
            break
        path.append(first["value"])
        if first is not child:
            break
    yield tuple(path)


def _reason(error: JMESPathError) -> str:
    """JMESPath's complaint on one line, without the drawing that it adds."""
    position = getattr(error, "lex_position", None)
    token = getattr(error, "token_value", None)
    if position is not None and token:
        return f"not a JMESPath expression: unexpected {token!r} at character {position + 1}"
    return "not a JMESPath expression: it ends too early" if "Incomplete" in str(error) else "not a JMESPath expression"
