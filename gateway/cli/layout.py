"""What stands in the terminal: a console, and JSON laid out to be read, where what fits on a line stays on it."""

from __future__ import annotations

import json
import os
from typing import Any

from rich.console import Console


def make_console() -> Console:
    """Standard output. With NO_COLOR, as without a terminal, there is no escape code at all, for bold text neither."""
    return Console(color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False)


def lay_out(value: Any, width: int, indent: int = 0, lead: int = 1) -> str:
    """The value as JSON text, broken only where a line would be longer than `width`.

    `lead` is what else its first line has: the name before it, the comma behind it.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if indent + lead + len(flat) <= width or not value or not isinstance(value, dict | list):
        return flat
    inner = indent + 2
    if isinstance(value, list):
        return _broken("[", [lay_out(child, width, inner) for child in value], "]", indent)
    lines = []
    for name, child in value.items():
        key = json.dumps(name, ensure_ascii=False) + ": "
        lines.append(key + lay_out(child, width, inner, len(key) + 1))
    return _broken("{", lines, "}", indent)


def _broken(opening: str, lines: list[str], closing: str, indent: int) -> str:
    body = ",\n".join(" " * (indent + 2) + line for line in lines)
    return f"{opening}\n{body}\n{' ' * indent}{closing}"
