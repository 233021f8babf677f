"""The waterfall: a line per span, in the columns that the terminal has."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import pytest
from rich.text import Text

from gateway import telemetry
from gateway.cli.waterfall import waterfall
from gateway.telemetry import Span, SpanType, Trace

MS = 1_000_000


@pytest.fixture
def trace() -> Trace:
    """A request of a second."""
    made = Trace(id=0xABC, sampled=True, next_id=count(1).__next__, epoch=0)
    begin(made, None, "GET /v1/home/{user_id}", 0, 1000, "server", {telemetry.HTTP_STATUS: 200})
    return made


def begin(trace: Trace, parent: Span | None, name: str, start: float, end: float, kind: Any, attributes: dict[str, Any]) -> Span:
    """A span, in milliseconds."""
    span = trace.span(SpanType(name, kind), parent.id if parent else None)
    span.start, span.end = int(start * MS), int(end * MS)
    span.own |= attributes
    return span


def step(trace: Trace, name: str, start: float, end: float, **told: Any) -> Span:
    """A step's span: `outcome`, `reason`, `cache`, `items`, `instead`."""
    names = {
        "outcome": telemetry.STEP_OUTCOME,
        "reason": telemetry.STEP_REASON,
        "cache": telemetry.CACHE_STATUS,
        "items": telemetry.STEP_ITEMS,
        "instead": telemetry.STEP_INSTEAD,
    }
    attributes = {telemetry.STEP_NAME: name, **{names[key]: value for key, value in told.items()}}
    span = begin(trace, trace.root, f"step {name}", start, end, "internal", attributes)
    if told.get("outcome") == "failed":
        span.fail("gateway.errors.StatusRefused")
    return span


def attempt(
    trace: Trace, parent: Span, start: float, end: float, status: int | None = None, error: str = "", resend: int = 0
) -> Span:
    """An attempt's span."""
    address = {telemetry.SERVER_ADDRESS: "127.0.0.1", telemetry.SERVER_PORT: 9101}
    span = begin(trace, parent, "GET /users/{path.user_id}", start, end, "client", address)
    if status:
        span.own[telemetry.HTTP_STATUS] = status
    if resend:
        span.own[telemetry.HTTP_RESEND_COUNT] = resend
    if error or (status or 0) >= 400:
        span.fail(error or str(status))
    return span


def lines(printed: Text) -> list[str]:
    """What is below the caption."""
    return printed.plain.split("\n")[1:]


def test_everything_that_can_become_of_a_step_is_seen_at_80_columns(trace: Trace) -> None:
    """A retry, a cache hit, a fallback, a skip with its reason, a failure, what was cut short: no name cut, no remark lost."""
    user = step(trace, "user", 0, 500, outcome="ok", cache="miss")
    attempt(trace, user, 0, 200, 503)
    attempt(trace, user, 250, 500, 200, resend=1)
    step(trace, "orders", 0, 0.1, outcome="ok", cache="hit")
    step(trace, "products", 500, 500, outcome="skipped", reason="not user.consents.personalised")
    attempt(
        trace, step(trace, "prices", 0, 750, outcome="fallback", reason="no reply"), 0, 750, error="gateway.errors.AttemptTimeout"
    )
    attempt(trace, step(trace, "stock", 0, 1000), 0, 1000)
    begin(trace, trace.root, telemetry.SHAPE.name, 999.9, 1000, "internal", {})

    printed = waterfall(trace, 80)

    assert printed.plain == (
        "trace 00000000000000000000000000000abc\n"
        "GET /v1/home/{user_id}        ━━━━━━━━━━━━━ 1000.0 ms 200\n"
        "  step user                   ──────         500.0 ms cache miss\n"
        "    GET /users/{path.user_id} ───            200.0 ms 503\n"
        "    GET /users/{path.user_id}    ───         250.0 ms 200 · retry 1\n"
        "  step orders                 ─                0.1 ms cache hit\n"
        "  step products                     ─          0.0 ms skipped · not\n"
        "                                                      user.consents.personalised\n"
        "  step prices                 ━━━━━━━━━━     750.0 ms fallback · no reply\n"
        "    GET /users/{path.user_id} ━━━━━━━━━━     750.0 ms attempt timeout\n"
        "  step stock                  ───────────── 1000.0 ms cancelled\n"
        "    GET /users/{path.user_id} ───────────── 1000.0 ms cancelled\n"
        "  shape                                   ━    0.1 ms"
    )


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 300])
def test_no_line_is_wider_than_the_terminal(trace: Trace, columns: int) -> None:
    """Names are cut and remarks go on below themselves before anything is wrapped in the middle of a bar."""
    reason = "needs orders, which failed: no reply within 1s"
    attempt(
        trace, step(trace, "a_step_with_quite_a_long_name_of_its_own", 0, 900, outcome="fallback", reason=reason), 0, 900, 200
    )

    printed = lines(waterfall(trace, columns))

    assert max(len(line) for line in printed) <= columns
    assert reason.rsplit(maxsplit=1)[-1] in " ".join(printed)
    assert all(line == line.rstrip() for line in printed)


def test_bars_have_what_names_and_remarks_leave(trace: Trace) -> None:
    """With little to say the bar goes to the edge of the terminal."""
    assert lines(waterfall(trace, 80)) == [f"GET /v1/home/{{user_id}} {'━' * 43} 1000.0 ms 200"]


def test_a_long_name_ends_in_an_ellipsis(trace: Trace) -> None:
    """So that it is not taken for a whole one."""
    step(trace, "x" * 100, 0, 1, outcome="ok")

    assert "x… " in lines(waterfall(trace, 80))[1]


@pytest.mark.parametrize(
    ("told", "remark"),
    [
        ({"outcome": "ok"}, ""),
        ({"outcome": "ok", "cache": "hit"}, "cache hit"),
        ({"outcome": "ok", "items": 13, "cache": "miss"}, "13 items · cache miss"),
        ({"outcome": "ok", "items": 0}, "0 items"),
        ({"outcome": "ok", "instead": "user.fallback"}, "by user.fallback"),
        ({"outcome": "ended"}, "ended"),
        ({"outcome": "failed", "reason": "status 503"}, "failed · status 503"),
        ({"outcome": "failed", "cache": "miss", "reason": "status 503"}, "failed · cache miss · status 503"),
        ({"outcome": "fallback", "reason": "status 503"}, "fallback · status 503"),
        ({"outcome": "skipped", "reason": "not user.name"}, "skipped · not user.name"),
        ({}, "cancelled"),
    ],
    ids=str,
)
def test_a_step_says_what_became_of_it(trace: Trace, told: dict[str, Any], remark: str) -> None:
    """Nothing when all is well."""
    step(trace, "user", 0, 10, **told)

    assert lines(waterfall(trace, 120))[1].partition(" ms")[2].strip() == remark


@pytest.mark.parametrize(
    ("told", "remark"),
    [
        ({"status": 200}, "200"),
        ({"status": 503}, "503"),
        ({"status": 200, "resend": 2}, "200 · retry 2"),
        ({"error": "gateway.errors.Unreachable"}, "unreachable 127.0.0.1:9101"),
        ({"error": "gateway.errors.BadReply", "resend": 1}, "retry 1 · bad reply"),
        ({"error": "gateway.errors.AttemptTimeout"}, "attempt timeout"),
        ({}, "cancelled"),
    ],
    ids=str,
)
def test_an_attempt_says_how_it_ended(trace: Trace, told: dict[str, Any], remark: str) -> None:
    """A status or an error in words; where nobody answers, the address."""
    attempt(trace, step(trace, "user", 0, 10, outcome="ok"), 0, 10, **told)

    assert lines(waterfall(trace, 120))[2].partition(" ms")[2].strip() == remark


@pytest.mark.parametrize(
    ("outcome", "style"),
    [("ok", "green"), ("fallback", "yellow"), ("skipped", "dim"), ("failed", "red"), ("ended", "magenta"), (None, "dim")],
)
def test_a_bar_has_the_colour_of_its_outcome(trace: Trace, outcome: str | None, style: str) -> None:
    """Good, replaced, not run or cut short, failed, decisive."""
    step(trace, "user", 500, 1000, **({"outcome": outcome} if outcome else {}))

    printed = waterfall(trace, 80)

    bars = [span for span in printed.spans if set(printed.plain[span.start : span.end].strip()) == {"━"}]
    assert bars[1].style == style


@pytest.mark.parametrize(
    ("kind", "status", "style"), [("client", 200, "cyan"), ("client", 503, "red"), ("internal", None, "blue")]
)
def test_what_is_no_step_has_a_colour_of_its_own(trace: Trace, kind: Any, status: int | None, style: str) -> None:
    """Attempts beside the gateway's own work."""
    span = begin(trace, trace.root, "x", 500, 1000, kind, {telemetry.HTTP_STATUS: status} if status else {})
    if status == 503:
        span.fail("503")

    printed = waterfall(trace, 80)

    bars = [span.style for span in printed.spans if set(printed.plain[span.start : span.end].strip()) == {"━"}]
    assert bars == ["blue", style]


def test_a_bar_shows_when_it_ran(trace: Trace) -> None:
    """From its start to its end on the scale of the whole; what is too short to see is one character, within the columns."""
    step(trace, "half", 250, 750, outcome="ok")
    step(trace, "last", 1000, 1000, outcome="ok")

    bars = [re.search("[━─]+", line) for line in lines(waterfall(trace, 120))]
    whole, half, last = (bar[0] if bar else "" for bar in bars)
    starts = [bar.start() if bar else 0 for bar in bars]

    assert abs(len(half) - len(whole) / 2) <= 1
    assert abs(starts[1] - starts[0] - len(whole) / 4) <= 1
    assert (len(last), starts[2]) == (1, starts[0] + len(whole) - 1)


def test_what_the_answer_waited_for_has_heavy_bars(trace: Trace) -> None:
    """Of two steps the later, what that one needs, and the attempts that it took; the other has a light bar."""
    attempt(trace, step(trace, "user", 0, 400, outcome="ok"), 0, 400, 200)
    attempt(trace, step(trace, "weather", 0, 401, outcome="ok"), 0, 401, 200)
    attempt(trace, step(trace, "orders", 402, 990, outcome="ok"), 402, 990, 200)

    printed = lines(waterfall(trace, 120, {"orders": ["user"]}))

    assert ["━" in line for line in printed] == [True, True, True, False, False, True, True]
    assert ["─" in line for line in printed] == [False, False, False, True, True, False, False]


def test_waits_are_told_where_they_are_worth_a_word(trace: Trace) -> None:
    """For a permit at the attempt, between attempts at the step; less than a tenth of a millisecond is none."""
    user = step(trace, "user", 0, 100, outcome="ok")
    user.own |= {telemetry.RETRY_DELAY: 0.0123, telemetry.PAUSE_DELAY: 0.00009}
    attempt(trace, user, 0, 100, 200).own[telemetry.BULKHEAD_DELAY] = 0.005

    _, whole, one = lines(waterfall(trace, 120))

    assert whole.endswith("100.0 ms backed off 12.3 ms")
    assert one.endswith("100.0 ms 200 · a permit after 5.0 ms")


def test_a_request_that_took_no_time_has_a_waterfall(trace: Trace) -> None:
    """Nothing is divided by it."""
    trace.root.start = trace.root.end = 1

    assert lines(waterfall(trace, 80)) == [f"GET /v1/home/{{user_id}} ━{' ' * 45} 0.0 ms 200"]


def test_a_loop_shows_what_tells_most_and_folds_the_rest(trace: Trace) -> None:
    """Of a hundred attempts those that failed and those that took longest have a line each, in the order in which they began."""
    products = step(trace, "products", 0, 100, outcome="ok")
    for number in range(100):
        attempt(trace, products, number / 2, number / 2 + 3 + number / 10, 503 if number == 7 else 200)

    printed = lines(waterfall(trace, 80))

    assert len(printed) == 2 + 12 + 1
    assert [line.split()[-3] for line in printed[2:14]] == ["3.7", *(f"{3 + number / 10}" for number in range(89, 100))]
    assert printed[2].endswith("503")
    assert re.split("[━─]", printed[14])[0].strip() == "… and 88 more"
    assert printed[14].endswith("3.0–11.8 ms")


def test_what_is_folded_does_not_hide_failures(trace: Trace) -> None:
    """More failures than there are lines are counted; the bar is over the time of all that share it."""
    products = step(trace, "products", 0, 1000, outcome="ok")
    for number in range(20):
        attempt(trace, products, number * 50, number * 50 + 10, 503)

    _, whole, *_, last = lines(waterfall(trace, 120))
    assert last.startswith("    … and 8 more ")
    assert last.endswith(" 10.0–10.0 ms · 8 failed")
    assert whole.count("━") / 3 < len(re.findall("[━─]", last)) < whole.count("━") / 2


@pytest.mark.parametrize("attempts", [12, 13])
def test_a_single_attempt_is_not_folded(trace: Trace, attempts: int) -> None:
    """Its own line is no longer than the one that would stand for it."""
    products = step(trace, "products", 0, 100, outcome="ok")
    for number in range(attempts):
        attempt(trace, products, number, number + 1, 200)

    printed = lines(waterfall(trace, 80))
    assert len(printed) == 2 + attempts
    assert "more" not in printed[-1]


def test_steps_are_never_folded(trace: Trace) -> None:
    """However many there are."""
    for number in range(40):
        step(trace, f"s{number}", 0, 1, outcome="ok")

    assert len(lines(waterfall(trace, 80))) == 1 + 40
