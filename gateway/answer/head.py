"""Scope → the status and the header fields that an endpoint gives its answer. Pure; a value stays within the one field it was put into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.expressions.reference import Expression, Scope, Template, Unresolved, as_text
from gateway.syntax import NOT_IN_A_HEADER

LONGEST = 8 * 1024
"""Bytes that a field may have, all its lines together; clients and proxies refuse more."""

LINE = 32
"""Bytes that a line counts for besides its value: a list may have thousands of empty ones."""

Lines: TypeAlias = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the body of a good answer."""

    status: int | Expression = 200
    fields: tuple[tuple[str, Template], ...] = ()
    """Header fields by their names in lower case."""

    @property
    def expressions(self) -> Iterator[Expression]:
        """Everything that it reads of the values at hand."""
        if isinstance(self.status, Expression):
            yield self.status
        for _, template in self.fields:
            yield from template.expressions

    def code(self, scope: Scope) -> int:
        """The status: what the expression gives when that is a 2xx, else 200."""
        if isinstance(self.status, int):
            return self.status
        try:
            value = self.status(scope)
        except Unresolved:
            return 200
        return value if isinstance(value, int) and 200 <= value < 300 else 200

    def lines(self, scope: Scope, missing: dict[str, str]) -> Lines:
        """The fields, each a line or, of a list, a line for each value. Says which cannot be made; what is absent is left out."""
        lines: Lines = []
        for name, template in self.fields:
            try:
                values = _values(template(scope))
            except (Unresolved, UnicodeEncodeError) as error:
                missing[f"headers.{name}"] = str(error)
            else:
                lines += [(name.encode(), value) for value in values]
        return lines

    def __str__(self) -> str:
        parts = [f"status {self.status}"] if self.status != 200 else []
        if self.fields:
            parts.append(f"headers {', '.join(name for name, _ in self.fields)}")
        return " · ".join(parts)


def _values(value: Any) -> list[bytes]:
    """The texts of a field. Raises `Unresolved`."""
    texts = [as_text(one).strip(" \t") for one in (value if isinstance(value, list) else (value,)) if one is not None]
    if any(NOT_IN_A_HEADER.search(text) for text in texts):
        raise Unresolved("a control character would stand in a header")
    values = [text.encode() for text in texts]
    if sum(map(len, values)) + LINE * len(values) > LONGEST:
        raise Unresolved("a header would be too long")
    return values
