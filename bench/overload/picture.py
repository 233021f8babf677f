"""The figures as a picture: SVG as text, which follows the reader's light or dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.overload.results import GUARDED, UNGUARDED, Level, Results, Taken

WIDTH, HEIGHT = 770, 546
PANEL_WIDTH, PANEL_HEIGHT = 310, 160
LEFT, TOP = 60, 96
COLUMN, ROW = 390, 234
"""From one panel to the next."""

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 14px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
  .line.unguarded { stroke-dasharray: 6 4; }
  .guarded { stroke: #0969da; } circle.guarded { fill: #0969da; }
  .unguarded { stroke: #bc4c00; } circle.unguarded { fill: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .guarded { stroke: #4493f8; } circle.guarded { fill: #4493f8; }
    .unguarded { stroke: #f0883e; } circle.unguarded { fill: #f0883e; }
  }
"""

LEGEND = {GUARDED: "with its guards", UNGUARDED: "with limits in time and retries alone"}
TITLES = {"cpu": "The gateway's own core", "upstream": "An upstream of limited capacity"}


@dataclass(frozen=True)
class Measure:
    """What a row of panels shows, and where a value stands in it."""

    title: str
    of: Callable[[Taken, Level], float | None]
    height: Callable[[float], float]
    """Value → share of the panel's height."""

    ticks: Sequence[float]
    show: Callable[[float], str]


def _logarithm(value: float) -> float:
    return min(1.0, max(0.0, math.log10(max(value, 1.0)) / 4))


MEASURES = (
    Measure(
        "right answers, share of the capacity",
        lambda taken, level: taken.goodput(level),
        lambda value: min(1.0, value / 1.1),
        (0, 0.25, 0.5, 0.75, 1),
        "{:.0%}".format,
    ),
    Measure(
        "99th percentile of the right answers",
        lambda _, level: level.p99_ms,
        _logarithm,
        (1, 10, 100, 1000, 10_000),
        lambda value: f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms",
    ),
)


def draw(results: Results) -> str:
    """The whole picture: a column for each scenario, a row for each measure."""
    panels = [
        line
        for column, (name, taken) in enumerate(results.scenarios.items())
        for row, measure in enumerate(MEASURES)
        for line in panel(name, taken, measure, (LEFT + column * COLUMN, TOP + row * ROW))
    ]
    return "\n".join([*head(), *legend(results), *panels, "</svg>", ""])


def head() -> Iterator[str]:
    """What comes before the panels."""
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">'
    yield '<title id="title">Right answers and their latency, as more is asked than can be done</title>'
    yield f"<style>{STYLE}</style>"


def legend(results: Results) -> Iterator[str]:
    """Which line is whose."""
    measured = {guard for taken in results.scenarios.values() for guard in taken.levels}
    for place, (guard, words) in enumerate((guard, words) for guard, words in LEGEND.items() if guard in measured):
        x = LEFT + place * 180
        yield f'<path class="line {guard}" d="M{x} 20h32"/>'
        yield text(x + 40, 24, words)


def panel(name: str, taken: Taken, measure: Measure, corner: tuple[int, int]) -> Iterator[str]:
    """Axes, and a line for the gateway with its guards and one without."""
    x, y = corner
    multiples = sorted({level.multiple for levels in taken.levels.values() for level in levels})
    across = {multiple: x + (place + 0.5) * PANEL_WIDTH / len(multiples) for place, multiple in enumerate(multiples)}
    if measure is MEASURES[0]:
        yield text(x, y - 36, TITLES.get(name, name), "title")
    yield text(x, y - 14, measure.title, "quiet")
    for tick in measure.ticks:
        at = y + PANEL_HEIGHT * (1 - measure.height(tick))
        yield f'<path class="grid" d="M{x} {at:.1f}h{PANEL_WIDTH}"/>'
        yield text(x - 6, at + 4, measure.show(tick), "quiet", "end")
    for multiple, at in across.items():
        yield text(at, y + PANEL_HEIGHT + 18, f"{multiple:g}×", "quiet", "middle")
    if measure is MEASURES[-1]:
        yield text(x + PANEL_WIDTH / 2, y + PANEL_HEIGHT + 40, "asked for, in multiples of the capacity", "quiet", "middle")
    for guard, levels in taken.levels.items():
        values = [(level.multiple, value) for level in levels if (value := measure.of(taken, level)) is not None]
        points = [(across[multiple], y + PANEL_HEIGHT * (1 - measure.height(value))) for multiple, value in values]
        yield from series(f"{name}, {guard}: {measure.title}", guard, points, [measure.show(value) for _, value in values])


def series(title: str, kind: str, points: Sequence[tuple[float, float]], values: Sequence[str]) -> Iterator[str]:
    """A line through points, each of which tells its value to the pointer."""
    along = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline class="line {kind}" points="{along}"><title>{escape(title)}</title></polyline>'
    for (x, y), value in zip(points, values, strict=True):
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(value)}</title></circle>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text."""
    styled = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{styled} text-anchor="{anchor}">{escape(words)}</text>'
