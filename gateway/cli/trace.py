"""`gateway trace`: a request that a running gateway has answered, as a waterfall, and why each of its steps ran when it ran."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from gateway.cli.asking import ask
from gateway.cli.layout import make_console
from gateway.cli.waterfall import waterfall
from gateway.errors import StartError
from gateway.journal.telling import read_record

NEWEST = "last"
"""In place of an id: the newest there is."""

_ID = re.compile(r"(?:00-)?([0-9a-f]{32})(?:-([0-9a-f]{16}))?(?:-[0-9a-f]{2})?")
"""An id, with the span of a request in it or without; as in `Traceparent`, too."""


def show_kept(trace: str, admin: str | None, *, as_json: bool) -> int:
    """Print a trace that was kept; the exit status is 1 where its request failed."""
    told = ask(admin, "spans", "GET", f"/api/traces/{_newest(admin) if trace == NEWEST else _place(trace)}")
    if as_json:
        print(json.dumps(told, indent=2))
        return _status(told)
    record, console = read_record(told), make_console()
    console.print(Text(_head(told), style="bold"), soft_wrap=True)
    console.print(waterfall(record.trace, console.width, record.needs), soft_wrap=True)
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in _why(told["explain"]):
        table.add_row(*row)
    console.print()
    console.print(table, soft_wrap=True)
    return _status(told)


def _place(trace: str) -> str:
    match = _ID.fullmatch(trace.lower())
    if not match:
        raise StartError(f"not a trace: {trace!r}; give its id or a whole Traceparent, or 'last'")
    return f"{match[1]}?span={match[2]}" if match[2] else match[1]


def _newest(admin: str | None) -> str:
    found = ask(admin, "traces", "GET", "/api/traces?limit=1")["traces"]
    if not found:
        raise StartError("there is no trace yet")
    return str(found[0]["id"])


def _head(told: dict[str, Any]) -> str:
    asked = f"{told['method']} {told['target']}" if told["method"] else told["path"]
    return f"{asked} · {told['at']} · process {told['service']['process']}"


def _why(explain: dict[str, Any]) -> Iterator[tuple[Text, Text, Text]]:
    for name, told in explain.items():
        shared = told["waits"]["coalesced_with"]
        more = [f"shared the call of {shared}"] if shared else []
        if told["cache"]["ttl"] is not None:
            more.append(f"kept for {told['cache']['ttl']:g} s")
        yield Text(f"  {name}", style="bold"), Text(told["why"]), Text(" · ".join(more), style="dim")


def _status(told: dict[str, Any]) -> int:
    return 1 if (told["status"] or 0) >= 400 else 0
