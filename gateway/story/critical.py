"""The critical path: what the answer waited for, from its end back to its beginning.

1  the answer was made when the last thing before it ended: of those that came to something, the one that ended last
2  a step began when the last of the steps that it needs had ended, and waited for no other
3  within a span it is the same: it ended with the last of what is below it, which began when the last before that had ended
4  the time that nothing below a span explains is its own: a pause before another attempt, a wait for a thread

So the stretches of the path follow each other without a gap, from the beginning of the request to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway import telemetry
from gateway.story import NOBODY, Needs, role_of, step_of
from gateway.telemetry import Span, Trace


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which the answer waited for one span, and for nothing below it."""

    span: Span
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Walk:
    below: Mapping[int | None, Sequence[Span]]
    needs: Needs

    def back(self, span: Span, start: int, end: int) -> Iterator[Stretch]:
        """The stretches of a span between two times, the last first."""
        inside = self.below.get(span.id, ())
        candidates = inside
        while held := _last(candidates, start, end):  # 1 3
            ended, began = _end(held), max(held.start, start)
            if ended < end:
                yield Stretch(span, ended, end)  # 4
            yield from self.back(held, began, ended)
            end, candidates = began, self._before(held, inside)
        if end > start:
            yield Stretch(span, start, end)

    def _before(self, held: Span, inside: Sequence[Span]) -> Sequence[Span]:
        """What one of these spans may have waited for."""  # 2
        if role_of(held) != "step":
            return inside
        needed = self.needs.get(step_of(held) or "", ())
        return [span for span in inside if role_of(span) == "step" and step_of(span) in needed]


def critical_path(trace: Trace, needs: Needs = NOBODY) -> list[Stretch]:
    """The path of a finished trace, from its beginning to its end."""
    below: dict[int | None, list[Span]] = {}
    for span in trace.spans[1:]:
        below.setdefault(span.parent, []).append(span)
    root = trace.root
    walked = [*_Walk(below, needs).back(root, root.start, _end(root))]
    return walked[::-1]


def spans_on(path: Iterable[Stretch], trace: Trace) -> list[Span]:
    """The spans that a path leads through, in its order, each after what it is below; the request itself is not among them."""
    by_id = {span.id: span for span in trace.spans}
    found: dict[int, Span] = {}
    for stretch in path:
        for span in reversed([*_upwards(stretch.span, by_id, trace.root)]):
            found.setdefault(span.id, span)
    return [*found.values()]


def _upwards(span: Span, by_id: Mapping[int, Span], root: Span) -> Iterator[Span]:
    while span is not root:
        yield span
        span = by_id[span.parent or 0]


def _last(spans: Iterable[Span], start: int, end: int) -> Span | None:
    """The one that ended last within this time. What was cut short is looked at only where nothing came to anything."""
    within = [span for span in spans if start < _end(span) <= end and span.start < _end(span)]
    return max([span for span in within if has_come_to_something(span)] or within, key=_end, default=None)


def has_come_to_something(span: Span) -> bool:
    """It was not cut short: neither with its request, nor since another copy of it was first."""
    if role_of(span) in ("step", "undo"):
        return telemetry.STEP_OUTCOME in span.attributes
    return span.kind == "internal" or span.error or telemetry.HTTP_STATUS in span.attributes


def _end(span: Span) -> int:
    return span.end or span.start
