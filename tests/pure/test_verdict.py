"""One verdict for everybody: which failure of which method may be tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway import errors
from gateway.call import Call, Reply
from gateway.verdict import Verdict, classify, is_failing, is_fault, is_refusal, is_refusing

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
OTHERS = ("POST", "PATCH")
PASSING = (408, 425, 429, 500, 502, 503, 504)
FINAL = (300, 304, 400, 401, 403, 404, 405, 409, 410, 418, 422, 431, 501, 505, 511)

ALWAYS, IF_IDEMPOTENT, NEVER = "always", "if idempotent", "never"

TABLE: dict[type[errors.CallError], tuple[errors.CallError, str]] = {
    errors.CallError: (errors.CallError("new"), NEVER),
    errors.Unsent: (errors.Unsent("new"), NEVER),
    errors.Unrendered: (errors.Unrendered("absent"), NEVER),
    errors.NeedFailed: (errors.NeedFailed("user", errors.Unreachable("refused")), NEVER),
    errors.Unreachable: (errors.Unreachable("refused"), ALWAYS),
    errors.TimedOut: (errors.TimedOut("new"), NEVER),
    errors.AttemptTimeout: (errors.AttemptTimeout("0.5 s"), IF_IDEMPOTENT),
    errors.CallTimeout: (errors.CallTimeout("2 s"), NEVER),
    errors.Disconnected: (errors.Disconnected("reset"), IF_IDEMPOTENT),
    errors.BadReply: (errors.BadReply("not JSON"), IF_IDEMPOTENT),
    errors.TooLarge: (errors.TooLarge("10 MiB"), NEVER),
    errors.Rejected: (errors.Rejected("left alone"), NEVER),
    errors.BreakerOpen: (errors.BreakerOpen("open"), NEVER),
    errors.BulkheadFull: (errors.BulkheadFull("full"), NEVER),
    errors.Throttled: (errors.Throttled("drawn"), NEVER),
    errors.Paused: (errors.Paused("asked"), NEVER),
    errors.NotThere: (errors.NotThere("nothing for it"), NEVER),
    errors.TooManyItems: (errors.TooManyItems(3, 2), NEVER),
    errors.StatusRefused: (errors.StatusRefused(Reply(503)), IF_IDEMPOTENT),
}

FAULTS: dict[type[errors.CallError], tuple[bool, bool]] = {
    errors.Unreachable: (True, True),
    errors.AttemptTimeout: (True, True),
    errors.CallTimeout: (True, True),
    errors.Disconnected: (True, False),
    errors.BadReply: (True, False),
    errors.TooLarge: (False, False),
    errors.StatusRefused: (True, True),
}
"""Of what says something of the upstream: whether it is its fault, and whether it looks as if it had too much to do."""


def tree(kind: type[errors.CallError] = errors.CallError) -> Iterator[type[errors.CallError]]:
    """Every class of the tree."""
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def test_the_table_has_every_error() -> None:
    """An error that is added must be given its verdict on purpose."""
    assert {kind for kind in tree() if kind.__module__.startswith("gateway.")} == set(TABLE)


@pytest.mark.parametrize("method", [*IDEMPOTENT, *OTHERS])
@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_every_error_has_its_verdict(make_call: Callable[..., Call], kind: type[errors.CallError], method: str) -> None:
    """A failure that may pass is retryable when the method may be repeated, or when nothing was sent."""
    error, rule = TABLE[kind]

    verdict = classify(make_call(method=method), error)

    retryable = rule == ALWAYS or (rule == IF_IDEMPOTENT and method in IDEMPOTENT)
    assert verdict is (Verdict.RETRYABLE if retryable else Verdict.FATAL)


@pytest.mark.parametrize("method", [*IDEMPOTENT, *OTHERS])
@pytest.mark.parametrize("status", [*PASSING, *FINAL])
def test_a_status_may_pass_or_is_final(make_call: Callable[..., Call], status: int, method: str) -> None:
    """Only statuses that may be another one a moment later are tried again, and only where that cannot do anything twice."""
    verdict = classify(make_call(method=method), errors.StatusRefused(Reply(status)))

    assert verdict is (Verdict.RETRYABLE if status in PASSING and method in IDEMPOTENT else Verdict.FATAL)


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_a_key_makes_any_method_repeatable(make_call: Callable[..., Call], kind: type[errors.CallError]) -> None:
    """An upstream that gets an `Idempotency-Key` knows what it has had before: a POST with one is as good as a PUT."""
    error, rule = TABLE[kind]
    headers = (("accept", "application/json"), ("idempotency-key", "k-1"))

    verdict = classify(make_call(method="POST", headers=headers), error)

    assert verdict is (Verdict.FATAL if rule == NEVER else Verdict.RETRYABLE)


@pytest.mark.parametrize("status", [200, 204, 404, 500])
def test_a_reply_is_good(make_call: Callable[..., Call], status: int) -> None:
    """Whether a status is accepted was decided before; what comes back as a reply is one."""
    result: Any = Reply(status)

    assert classify(make_call(), result) is Verdict.OK


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_says_of_the_upstream(kind: type[errors.CallError]) -> None:
    """What was never sent says nothing, and neither does any error that nobody has thought about."""
    error, _ = TABLE[kind]

    said = is_fault(error, hasty=False), is_refusal(error, hasty=False)

    assert said == FAULTS.get(kind, (None, None))


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_only_a_deadline_depends_on_who_was_in_a_hurry(kind: type[errors.CallError]) -> None:
    """A client that gives no time has no say in how well an upstream is."""
    error, _ = TABLE[kind]

    said = is_fault(error, hasty=True), is_refusal(error, hasty=True)

    assert said == ((None, None) if kind is errors.CallTimeout else FAULTS[kind])


@pytest.mark.parametrize(
    ("statuses", "fails", "refuses"),
    [((200, 302, 404, 499), False, False), ((429,), False, True), ((503,), True, True), ((500, 502, 504, 599), True, False)],
)
def test_a_status_says_something_whether_it_is_accepted_or_not(statuses: tuple[int, ...], fails: bool, refuses: bool) -> None:
    """A 5xx is the upstream's trouble; 429 and 503 turn a call away."""
    for status in statuses:
        refused = errors.StatusRefused(Reply(status))

        assert (is_failing(status), is_fault(refused, hasty=False)) == (fails, fails)
        assert (is_refusing(status), is_refusal(refused, hasty=False)) == (refuses, refuses)
