"""The list of what is wrong, and readers that add to it instead of raising."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from gateway.expressions.reference import (
    REQUEST,
    BadExpression,
    Expression,
    Structure,
    Template,
    did_you_mean,
    parse_expression,
    parse_structure,
    parse_template,
    pieces,
)
from gateway.finding import Finding, Path, Piece, Source
from gateway.inputs import Where

Parsed = TypeVar("Parsed", bound=Template | Expression)

RESERVED = (*REQUEST, "auth", "item", "steps")
"""Names that no step may have."""

_OUTSIDE = "\udfff"
"""Stands for text from outside the file while a template is parsed; no file has half a surrogate pair in it."""

_NO_CODE = "'${…}' is text and cannot be part of an expression, which plans and errors show"


class Report:
    """Everything found wrong so far."""

    def __init__(self, source: Source, findings: Iterable[Finding]) -> None:
        self.source = source
        self.findings = list(findings)
        self._told = {finding.path for finding in self.findings}

    def add(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Add a finding at this path, unless loading had one there: whatever follows from that is not worth a word."""
        if self.source.shown(path) not in self._told:
            self.findings.append(self.source.finding(path, message, at_key=at_key))

    def lacks(self, spec: BaseModel, name: str, path: Path) -> bool:
        """The field is written but wrong, so that it has been taken out: nothing follows from its absence."""
        return name not in spec.model_fields_set and self.source.written((*path, name)) in self.source.keys


@dataclass(frozen=True, slots=True)
class Names:
    """What a reference may name in one endpoint."""

    path: tuple[str, ...]
    """Parameters of the endpoint's path."""

    steps: tuple[str, ...]
    """Steps as written, those with mistakes in them included."""

    has_body: bool
    """The endpoint's method comes with a body."""

    goes_by: bool = False
    """The endpoint is a passthrough: whatever body there is, nobody reads it."""

    reads: dict[tuple[Where | Literal["body"], str], None] = field(default_factory=dict)
    """What references have named of the client's request so far: the endpoint's inputs, declared or not."""

    loops: frozenset[str] = frozenset()
    """Those of the steps that have no one reply."""

    replies: set[str] = field(default_factory=set)
    """Steps whose reply's status or headers references have named so far."""

    def complaint(self, name: tuple[str, ...], given: str | None = None) -> str | None:
        """Why this name cannot be read, None when it can. Where it stands, one more name may be given."""
        head, second = name[0], name[1] if len(name) > 1 else None
        if head == "@":
            return "'@' and '*' at the top name everything at once; name what you need"
        if head == "item" and head not in self.steps:
            return "'item' is what 'for_each' goes through, and stands only in the step's own call"
        if head == "auth" and head not in self.steps:
            return f"{head!r} is not available here"
        if head == "body" and self.goes_by:
            return "the body of a passthrough goes by, and is not read"
        if head == "body" and not self.has_body:
            return "there is no body: the endpoint's method has none"
        if head in ("query", "headers") and second is None:
            return f"{head!r} names all of them at once; name one, as in {head}.NAME (nothing is passed on that is not named)"
        if head == "path" and second is not None and second not in self.path:
            return f"the endpoint's path has no {{{second}}}{did_you_mean(second, self.path)}"
        if head == "steps":
            return self._complaint_about_reply(name)
        if head not in REQUEST and head not in self.steps:
            known = (*self.steps, *(name for name in REQUEST if name != "body" or self.has_body), "steps", given or "")
            return f"unknown name {head!r}{did_you_mean(head, known)}"
        return None

    def _complaint_about_reply(self, name: tuple[str, ...]) -> str | None:
        if len(name) < 3 or name[2] not in ("status", "headers"):
            return "write steps.NAME.status or steps.NAME.headers.FIELD"
        if name[1] not in self.steps:
            return f"unknown step {name[1]!r}{did_you_mean(name[1], self.steps)}"
        if name[1] in self.loops:
            return f"{name[1]!r} has a reply for each of its items, and none of its own"
        return None


@dataclass(slots=True)
class Reading:
    """Reads the expressions of one step or one answer, and remembers which steps they name."""

    report: Report
    names: Names
    needs: dict[str, None] = field(default_factory=dict)
    """Steps named so far, in the order of their first mention."""

    given: str | None = None
    """A name that only these expressions know."""

    uses_given: bool = False
    """One of them has named it."""

    def template(self, text: str, path: Path) -> Template | None:
        """Text with references; None when it has been reported."""
        outside = self.report.source.outside.get(path)
        return self._checked(lambda: _parse_around(outside) if outside else parse_template(text), path)

    def expression(self, text: str, path: Path) -> Expression | None:
        """An expression over the values at hand; None when it has been reported."""
        return self._checked(lambda: self._code(text, path), path)

    def structure(self, data: Any, path: Path) -> Structure:
        """JSON with templates in its strings."""
        return parse_structure(data, self.template, path)

    def own(self, text: str, path: Path) -> Expression | None:
        """An expression over a reply's own body, which may have any names."""
        return self._parsed(lambda: self._code(text, path), path)

    def _code(self, text: str, path: Path) -> Expression:
        if path in self.report.source.outside:
            raise BadExpression(_NO_CODE)
        try:
            return parse_expression(text)
        except BadExpression:
            if text.startswith("{") and text.endswith("}"):
                inside = parse_expression(text[1:-1]).text.strip()
                raise BadExpression(f"an expression stands here by itself, with no braces around it: {inside}") from None
            raise

    def _checked(self, parse: Callable[[], Parsed], path: Path) -> Parsed | None:
        parsed = self._parsed(parse, path)
        if parsed:
            for expression in parsed.expressions if isinstance(parsed, Template) else (parsed,):
                for name in expression.names:
                    self._check(name, path)
        return parsed

    def _parsed(self, parse: Callable[[], Parsed], path: Path) -> Parsed | None:
        try:
            return parse()
        except BadExpression as error:
            self.report.add(path, str(error))
            return None

    def _check(self, name: tuple[str, ...], path: Path) -> None:
        if name[0] == self.given:
            self.uses_given = True
        elif complaint := self.names.complaint(name, self.given):
            self.report.add(path, complaint)
        elif name[0] == "steps":
            self.needs.setdefault(name[1])
            self.names.replies.add(name[1])
        elif name[0] not in REQUEST:
            self.needs.setdefault(name[0])
        elif name[0] == "body":
            self.names.reads.setdefault(("body", ""))
        elif name[0] == "query":
            self.names.reads.setdefault(("query", name[1]))
        elif name[0] == "headers":
            self.names.reads.setdefault(("header", name[1].lower().replace("_", "-")))


def _parse_around(outside: tuple[Piece, ...]) -> Template:
    """Parse what the file itself has, so that text from outside is never taken for a reference, whatever braces a secret has.

    The text of the template, which plans and errors show, is the text as written.
    """
    marked = "".join(piece.text if piece.written is None else _OUTSIDE for piece in outside)
    if any(_OUTSIDE in text for text, is_reference in pieces(marked) if is_reference):
        raise BadExpression(_NO_CODE)
    texts = (piece.text for piece in outside if piece.written is not None)
    parsed = parse_template(marked)
    parts = tuple(re.sub(_OUTSIDE, lambda _: next(texts), part) if isinstance(part, str) else part for part in parsed.parts)
    return Template("".join(piece.shown for piece in outside), parts)
