"""Worst cases: the calls that a request may come to, and the time."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from gateway.plan.worst import Worst, show_seconds, worst_of

Find = Callable[..., Worst]

UPSTREAMS = """
version: 1
max_calls: 100000
upstreams:
  quick: { url: "http://a", timeout: 100ms }
  slow: { url: "http://b", timeout: 1s, retry: { attempts: 3, backoff: 100ms, max_backoff: 150ms } }
  open: { url: "http://c" }
"""


@pytest.fixture
def worst(compiled: Callable[..., Any]) -> Find:
    """The worst of an endpoint with these steps."""

    def find(*steps: str, timeout: str = "1h") -> Worst:
        endpoint = f"endpoints:\n  - path: /a\n    method: POST\n    timeout: {timeout}\n    steps:\n"
        return worst_of(compiled(UPSTREAMS + endpoint + "".join(f"      {step}\n" for step in steps))[0])

    return find


@pytest.mark.parametrize(
    ("step", "calls", "seconds"),
    [
        ("{ get: quick / }", 1, 0.1),
        ("{ get: slow / }", 3, 3.25),
        ("{ get: slow /, retry: false }", 1, 1),
        ("{ get: slow /, retry: { attempts: 1 } }", 1, 1),
        ("{ get: slow /, hedge: {} }", 6, 3.25),
        ("{ get: quick /, hedge: {} }", 2, 0.1),
        ("{ get: open / }", 1, inf),
        ("{ for_each: query.a, get: 'quick /{item}' }", 100, 1),
        ("{ for_each: query.a, get: 'quick /{item}', limit: 25 }", 25, 0.3),
        ("{ for_each: query.a, get: 'quick /{item}', limit: { first: 25 }, concurrency: 25 }", 25, 0.1),
        ("{ for_each: query.a, get: 'slow /{item}', limit: 2, concurrency: 1 }", 6, 6.5),
        ("{ for_each: query.a, get: 'open /{item}', batch: { get: 'quick /?a={items}', size: 3 }, limit: 31 }", 11, 0.2),
        ("{ get: slow /, fallback: { get: quick /, fallback: { get: slow /b } } }", 7, 6.6),
        ("{ for_each: query.a, get: 'quick /{item}', limit: 20, fallback: { get: quick / } }", 21, 0.3),
        ("{ get: quick /, fallback: { get: open / } }", 2, inf),
    ],
    ids=str,
)
def test_a_step_takes_all_attempts_with_the_longest_waits_between(worst: Find, step: str, calls: int, seconds: float) -> None:
    """A loop's calls go as many at once as may be; fallbacks come after what they stand in for."""
    found = worst(f"a: {step}")

    assert (found.calls, found.way) == (calls, (("a", pytest.approx(seconds)),))


def test_the_slowest_way_goes_through_what_steps_need(worst: Find) -> None:
    """What needs nothing of each other runs at once; the calls of all are counted."""
    found = worst(
        "last: { get: 'quick /{both.x}' }",
        "both: { get: 'quick /{one.x}{other.x}' }",
        "one: { get: quick / }",
        "other: { get: slow / }",
        "aside: { get: slow / }",
    )

    assert [name for name, _ in found.way] == ["other", "both", "last"]
    assert (found.calls, found.slowest) == (9, pytest.approx(3.45))


@pytest.mark.parametrize(
    ("timeout", "steps", "printed"),
    [
        ("1s", ["a: { get: quick / }"], "at most 1 call, 100ms (a 100ms)"),
        ("2s", ["a: { get: quick / }", "b: { get: 'quick /{a.b}' }"], "at most 2 calls, 200ms (a 100ms → b 100ms)"),
        ("200ms", ["a: { get: quick / }", "b: { get: 'quick /{a.b}' }"], "at most 2 calls, 200ms (a 100ms → b 100ms)"),
        ("2s", ["a: { get: slow / }"], "at most 3 calls, 2s (its slowest way would take 3.25s: a 3.25s)"),
        ("2s", ["a: { get: open / }", "b: { get: quick / }"], "at most 2 calls, 2s (nothing else limits a)"),
        (
            "90s",
            [f"{name}: {{ get: open / }}" for name in "abcde"],
            "at most 5 calls, 90s (nothing else limits a, b, c and 2 more)",
        ),
    ],
    ids=str,
)
def test_it_says_what_limits_the_answer(worst: Find, timeout: str, steps: list[str], printed: str) -> None:
    """The calls' own limits where they are enough, else the endpoint's timeout, and what it cuts off."""
    assert str(worst(*steps, timeout=timeout)) == printed


def test_undoing_comes_after_all_that(worst: Find) -> None:
    """One undo after the other, each within its own time and that of its attempts; their calls count."""
    found = worst(
        "a: { post: quick /, undo: { delete: slow /, within: 2s } }",
        "b: { post: quick /, undo: { delete: quick / } }",
        "c: { post: quick /, undo: { delete: open /, within: 5s } }",
    )

    assert str(found) == "at most 8 calls, 100ms and 7.1s of undoing (a 100ms)"


def test_a_passthrough_is_bounded_as_far_as_the_head(compiled: Callable[..., Any]) -> None:
    """Its bodies take as long as they take."""
    endpoint = "endpoints: [{ path: /a, timeout: 2s, passthrough: true, steps: { a: { get: quick / } } }]"

    found = worst_of(compiled(UPSTREAMS + endpoint)[0])

    assert str(found) == "at most 1 call, 100ms to the head (a 100ms)"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.00025, "0.25ms"),
        (0.1, "100ms"),
        (0.9996, "999.6ms"),
        (1, "1s"),
        (2.025, "2.025s"),
        (90, "90s"),
        (12345.6789, "12,345.679s"),
    ],
)
def test_seconds_are_shown_so_that_they_can_be_compared(seconds: float, shown: str) -> None:
    """In milliseconds below one, in seconds from there on."""
    assert show_seconds(seconds) == shown


def test_a_long_chain_is_no_deep_recursion(worst: Find) -> None:
    """As many steps one after the other as somebody may write."""
    found = worst("s0: { get: quick / }", *(f"s{n}: {{ get: quick /, needs: [s{n - 1}] }}" for n in range(1, 2000)))

    assert (len(found.way), found.calls) == (2000, 2000)
