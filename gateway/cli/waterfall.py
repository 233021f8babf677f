"""One request as a waterfall in the terminal: a print of its trace. What its answer waited for has heavy bars, all else light ones."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from gateway import telemetry
from gateway.story import NOBODY, Needs
from gateway.story.critical import critical_path, spans_on
from gateway.telemetry import Span, Trace

ROOM_FOR_BARS = 16
"""Characters that long remarks leave to the bars, where the terminal has them."""

SHOWN = 12
"""Attempts of a step that have a line each. Of more, as a loop makes them, those that failed or took longest have one."""

TELLING = 0.0001
"""Seconds that a wait must have taken to be worth a word: what is printed has no digit for less."""

_WAITS = {
    telemetry.BULKHEAD_DELAY: "a permit after",
    telemetry.RETRY_DELAY: "backed off",
    telemetry.PAUSE_DELAY: "paused",
}

_STYLES = {
    "ok": "green",
    "ended": "magenta",
    "fallback": "yellow",
    "skipped": "dim",
    "failed": "red",
    "cancelled": "dim",
    "attempt": "cyan",
    "own": "blue",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """What is said of one span, or of several that are alike."""

    name: str
    start: int
    end: int
    took: str
    remark: str
    fate: str
    """A word of `_STYLES`."""

    is_bold: bool = False
    is_critical: bool = False
    """The answer waited for it."""


@dataclass(frozen=True, slots=True)
class _Widths:
    """Characters of each column; there is one more between them."""

    name: int
    bar: int
    took: int
    remark: int


def waterfall(trace: Trace, columns: int, needs: Needs = NOBODY) -> Text:
    """A line per span, indented below its parent, with a bar that shows when it ran, in so many columns of a terminal."""
    below: dict[int | None, list[Span]] = {}
    for span in trace.spans:
        below.setdefault(span.parent, []).append(span)
    critical = {trace.root.id, *(span.id for span in spans_on(critical_path(trace, needs), trace))}
    lines = list(_lines(trace.root, below, critical, 0))
    widths = _widths(lines, columns)
    printed = [Text(f"trace {trace.id:032x}", style="dim"), *(_printed(line, trace.root, widths) for line in lines)]
    return Text("\n").join(printed)


def _lines(span: Span, below: Mapping[int | None, Sequence[Span]], critical: Collection[int], depth: int) -> Iterator[_Line]:
    yield _line(span, depth, is_critical=span.id in critical)
    inside = below.get(span.id, ())
    shown, folded = _sorted_out(inside) if telemetry.STEP_NAME in span.attributes else (inside, ())
    for one in shown:
        yield from _lines(one, below, critical, depth + 1)
    if folded:
        yield _folded(folded, depth + 1, is_critical=any(one.id in critical for one in folded))


def _sorted_out(spans: Sequence[Span]) -> tuple[Sequence[Span], Sequence[Span]]:
    """Those that have a line each, and those that share one."""
    if len(spans) <= SHOWN + 1:
        return spans, ()
    telling = {id(span) for span in sorted(spans, key=lambda span: (not span.error, -span.seconds))[:SHOWN]}
    return [span for span in spans if id(span) in telling], [span for span in spans if id(span) not in telling]


def _line(span: Span, depth: int, *, is_critical: bool) -> _Line:
    return _Line(
        name="  " * depth + span.name,
        start=span.start,
        end=span.end or span.start,
        took=f"{span.seconds * 1000:.1f} ms",
        remark=_remark(span),
        fate=_fate(span),
        is_bold=depth == 0 or telemetry.STEP_NAME in span.attributes,
        is_critical=is_critical,
    )


def _folded(spans: Sequence[Span], depth: int, *, is_critical: bool) -> _Line:
    times = sorted(span.seconds * 1000 for span in spans)
    failed = sum(1 for span in spans if span.error)
    return _Line(
        name="  " * depth + f"… and {len(spans)} more",
        start=min(span.start for span in spans),
        end=max(span.end or span.start for span in spans),
        took="",
        remark=f"{times[0]:.1f}–{times[-1]:.1f} ms" + (f" · {failed} failed" if failed else ""),
        fate="failed" if failed else "attempt",
        is_critical=is_critical,
    )


def _fate(span: Span) -> str:
    if span.error:
        return "failed"
    if telemetry.STEP_NAME in span.attributes:
        # A step that was cut short has no outcome, and an attempt no status.
        return str(span.attributes.get(telemetry.STEP_OUTCOME, "cancelled"))
    if span.kind == "internal":
        return "own"
    if telemetry.HTTP_STATUS not in span.attributes:
        return "cancelled"
    return "attempt" if span.kind == "client" else "own"


def _remark(span: Span) -> str:
    get = span.attributes.get
    fate, status, error = _fate(span), get(telemetry.HTTP_STATUS), get(telemetry.ERROR_TYPE)
    is_step = telemetry.STEP_NAME in span.attributes
    parts = (
        status,
        fate if fate == "cancelled" or (is_step and fate != "ok") else None,
        f"retry {get(telemetry.HTTP_RESEND_COUNT)}" if telemetry.HTTP_RESEND_COUNT in span.attributes else None,
        f"by {get(telemetry.STEP_INSTEAD)}" if telemetry.STEP_INSTEAD in span.attributes else None,
        f"{get(telemetry.STEP_ITEMS)} items" if telemetry.STEP_ITEMS in span.attributes else None,
        f"cache {get(telemetry.CACHE_STATUS)}" if telemetry.CACHE_STATUS in span.attributes else None,
        *_waits(span),
        get(telemetry.STEP_REASON) or (_in_words(span) if error and error != str(status) else None),
    )
    return " · ".join(str(part) for part in parts if part)


def _waits(span: Span) -> Iterator[str]:
    for name, words in _WAITS.items():
        if (seconds := float(span.attributes.get(name, 0.0))) >= TELLING:
            yield f"{words} {seconds * 1000:.1f} ms"


def _in_words(span: Span) -> str:
    """`gateway.errors.AttemptTimeout` as `attempt timeout`; where nobody answers, the address that was tried too."""
    name = str(span.attributes[telemetry.ERROR_TYPE]).rpartition(".")[2]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    if name != "Unreachable":
        return words
    return f"{words} {span.attributes[telemetry.SERVER_ADDRESS]}:{span.attributes[telemetry.SERVER_PORT]}"


def _widths(lines: Sequence[_Line], columns: int) -> _Widths:
    """Names and remarks get what they need, within reason; the bars have what is left."""
    took = max(len(line.took) for line in lines)
    room = columns - took - 3
    name = min(max(len(line.name) for line in lines), max(12, room // 2))
    # A word is broken only where its column would leave nothing to the bars.
    word = max((len(word) for line in lines for word in line.remark.split()), default=0)
    remark = min(max(len(line.remark) for line in lines), max(12, min(word, room - name - 8), room - name - ROOM_FOR_BARS))
    return _Widths(name, max(room - name - remark, 1), took, remark)


def _printed(line: _Line, root: Span, widths: _Widths) -> Text:
    name = line.name if len(line.name) <= widths.name else line.name[: widths.name - 1] + "…"
    # A remark that is longer than its column goes on below itself.
    first, *more = textwrap.wrap(line.remark, widths.remark) or [""]
    text = Text.assemble(
        (f"{name:{widths.name}} ", "bold" if line.is_bold else ""),
        (f"{_bar(root, line, widths.bar)} ", _STYLES[line.fate]),
        (f"{line.took:>{widths.took}} ", ""),
        (first, _remark_style(line)),
    )
    text.rstrip()
    for part in more:
        text.append(f"\n{'':{widths.name + widths.bar + widths.took + 3}}").append(part, _remark_style(line))
    return text


def _bar(root: Span, line: _Line, width: int) -> str:
    scale = width / max((root.end or root.start) - root.start, 1)
    start = min(int((line.start - root.start) * scale), width - 1)
    length = min(max(round((line.end - line.start) * scale), 1), width - start)
    return f"{' ' * start}{('━' if line.is_critical else '─') * length}".ljust(width)


def _remark_style(line: _Line) -> str:
    return _STYLES[line.fate] if line.fate in ("failed", "fallback", "skipped", "cancelled") else ""
