"""One request as a waterfall in the terminal: a print of its trace."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from gateway import telemetry
from gateway.telemetry import Span, Trace

NAMES, NUMBERS, REMARKS = 36, 10, 24
"""Characters for names, for milliseconds, and at least for remarks; the bars have what is left."""

_STYLES = {"ok": "green", "fallback": "yellow", "skipped": "dim", "failed": "red"}


def waterfall(trace: Trace, columns: int) -> Table:
    """A line per span, indented below its parent, with a bar that shows when it ran, in so many columns of a terminal."""
    width = max(12, min(60, columns - NAMES - NUMBERS - REMARKS))
    caption = f"trace {trace.id:032x}"
    table = Table(
        box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False, title=caption, title_justify="left", title_style="dim"
    )
    table.add_column(width=NAMES, no_wrap=True)
    table.add_column(width=width, no_wrap=True)
    table.add_column(justify="right", width=NUMBERS, no_wrap=True)
    table.add_column()
    for span, depth in _in_order(trace, trace.root, 0):
        table.add_row("  " * depth + span.name, _bar(trace.root, span, width), f"{span.seconds * 1000:.1f} ms", _remark(span))
    return table


def _in_order(trace: Trace, span: Span, depth: int) -> Iterator[tuple[Span, int]]:
    yield span, depth
    for below in trace.spans:
        if below.parent == span.id:
            yield from _in_order(trace, below, depth + 1)


def _bar(root: Span, span: Span, width: int) -> Text:
    scale = width / max((root.end or root.start) - root.start, 1)
    start = min(int((span.start - root.start) * scale), width - 1)
    length = min(max(round(span.seconds * 1e9 * scale), 1), width - start)
    outcome = str(span.attributes.get(telemetry.STEP_OUTCOME, ""))
    style = "red" if span.error else _STYLES.get(outcome, "cyan" if span.kind == "client" else "blue")
    return Text(" " * start + "━" * length, style=style)


def _remark(span: Span) -> str:
    get = span.attributes.get
    retry = f"retry {get(telemetry.HTTP_RESEND_COUNT)}" if get(telemetry.HTTP_RESEND_COUNT) else None
    cache = f"cache {get(telemetry.CACHE_STATUS)}" if get(telemetry.CACHE_STATUS) else None
    outcome = get(telemetry.STEP_OUTCOME)
    error = str(get(telemetry.ERROR_TYPE, "")).rpartition(".")[2]
    status = get(telemetry.HTTP_STATUS)
    parts = (
        status,
        outcome if outcome != "ok" else None,
        retry,
        cache,
        get(telemetry.STEP_REASON) or (error if error != str(status) else None),
    )
    return " · ".join(str(part) for part in parts if part)
