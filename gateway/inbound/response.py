"""What running a plan came to → the response: status, headers and bytes as `docs/reference/answers.md` describes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from gateway import telemetry
from gateway.answer.etag import etag_of, has_it
from gateway.answer.freshness import CREDENTIALS, is_for_all, merged, replies_among
from gateway.answer.shape import Answer, Shaped
from gateway.caching.cache_status import Member
from gateway.caching.clock import now
from gateway.caching.merging import Merged
from gateway.call import Ended, Failed, Gathered, Headers, Outcome, Reply, Skipped
from gateway.errors import CallError, TooManyItems
from gateway.execute import Ran
from gateway.expressions.reference import Unresolved
from gateway.plan import Plan, Step
from gateway.problem import COMPLETE, INCOMPLETE, NO_STORE, TYPE, Problem, RawHeaders, of_end, of_error, proxy_status
from gateway.telemetry import Span, Trace

Failure: TypeAlias = tuple[Step, CallError]
"""A step that failed, and why."""


_WORDS = {Failed: "failed", Skipped: "skipped", Ended: "ended"}

UNSHAPEABLE = Problem(502, "unshapeable", "The answer cannot be put into JSON")
_WHOLE = ""
"""Where an answer stands that is no object, among what could not be made."""

_JSON = (b"content-type", b"application/json")
_OF_A_BODY = (b"content-length", b"content-type")
_OF_THE_WHOLE = (b"cache-control", b"etag")

KEPT = frozenset({"hit", "stale"})
"""What the cache says of replies for which nobody was asked."""

VARY = (b"vary", b"accept")
"""For whoever keeps answers: another client may want the same one in parts."""

WITHOUT_BODY = (204, 205)
"""Statuses that nothing can be said with."""


@dataclass(slots=True)
class Response:
    """Status, headers and body as the server takes them: Starlette's own takes 5 µs more to get there."""

    status: int
    headers: RawHeaders
    body: bytes
    timing: str | None = None
    """How long what took its time: of this request alone, whoever else gets the same response."""

    good: Merged | None = None
    """How long it is good, as far as anybody knows."""

    is_for_all: bool = True
    """It may be given to whoever asks the same."""

    is_final: bool = False
    """Writes have been taken back: who repeats the request with the same key is told the same, and nothing is written again under it."""

    def add(self, name: bytes, text: str) -> None:
        """Add a header."""
        self.headers.append((name, text.encode("latin-1")))

    def tag(self) -> None:
        """Say what it is known by; the config's own tag is what it says."""
        if self._tag is None:
            self.headers.append((b"etag", etag_of(self.body)))

    def unless_known(self, given: Iterable[bytes]) -> Response:
        """The response to a client that gives these lines of `If-None-Match`: without the body where he has it (RFC 9110, section 15.4.5)."""
        tag = self._tag if self.status == 200 else None
        if tag is None or not has_it(tag, given):
            return self
        return Response(304, [line for line in self.headers if line[0] not in _OF_A_BODY], b"", self.timing)

    @property
    def is_whole(self) -> bool:
        """It says itself that the client has everything."""
        return COMPLETE in self.headers

    def as_text(self) -> Headers:
        """Its headers, but the one by which nobody is to keep what is not whole."""
        is_whole = self.is_whole
        return tuple(
            (name.decode("latin-1"), text.decode("latin-1"))
            for name, text in self.headers
            if is_whole or name != b"cache-control"
        )

    def shared(self) -> Response:
        """The same for another request, which has not taken the time that this one has."""
        return Response(self.status, [*self.headers], self.body)

    @property
    def _tag(self) -> bytes | None:
        return next((value for name, value in self.headers if name == b"etag"), None)


def answer(plan: Plan, ran: Ran, span: Span, shaped: Shaped | None = None) -> Response:
    """The response to a request whose plan has run; `shaped` is its value where that has been made already."""
    failures = failures_of(plan, ran)
    try:
        response = _broken(ran.outcomes[ran.broken], ran.undone) if ran.broken else _success(plan, ran, failures, span, shaped)
    except Unresolved:
        response = problem_response(UNSHAPEABLE)
    if failures:
        members = (proxy_status(step.name, step.recipe.upstream.name, error) for step, error in failures)
        response.add(b"proxy-status", ", ".join(members))
    elif response.is_whole:
        response.headers.insert(1, _vary(plan.headers) if plan.method == "GET" else VARY)
        if plan.method == "GET" and response.status == 200:
            response.tag()
    if plan.method == "GET" and (plan.keeping or any(one.cache for one in ran.outcomes.values() if isinstance(one, Reply))):
        _tell_freshness(plan, ran, response)
    return response


@lru_cache
def _vary(headers: frozenset[str]) -> tuple[bytes, bytes]:
    """What makes another answer of the same URL: how it is wanted, and what is read of the request's head."""
    return b"vary", ", ".join(["accept", *sorted(headers - {"accept"})]).encode()


def _tell_freshness(plan: Plan, ran: Ran, response: Response) -> None:
    """Say how long the answer is good, and for whom, as far as anybody knows; of that the config's own word is what it says."""
    replies, policy = replies_among(ran.outcomes.values()), plan.keeping.policy if plan.keeping else None
    head = response.as_text()
    response.is_for_all = is_for_all(head, replies)
    if response.status != 200 or not response.is_whole or ran.broken:
        return
    response.good = good = merged(replies, now(), policy, is_private=not CREDENTIALS.isdisjoint(plan.headers))
    if good.cache_control and not any(name == "cache-control" for name, _ in head):
        response.add(b"cache-control", good.cache_control)
    if good.age:
        response.add(b"age", str(int(good.age)))
    if not policy:
        is_hit = all(reply.cache in KEPT for reply in replies)
        response.add(b"cache-status", str(Member(hit=True, ttl=good.left) if is_hit else Member(fwd="miss")))


def tell_missing(plan: Plan, ran: Ran, failures: Iterable[Failure], missing: Iterable[str]) -> list[dict[str, Any]]:
    """What a client is told of all that an answer lacks: steps, items of loops, and these members that could not be made."""
    errors = [of_error(error).as_json(step=step.name) for step, error in failures]
    if plan.has_loops:
        errors += _lacking(plan, ran)
    return errors + [_unshaped(member) for member in missing]


def problem_response(problem: Problem) -> Response:
    """A response that is a problem (RFC 9457)."""
    return Response(problem.status, *problem.as_http())


def server_timing(plan: Plan, ran: Ran, trace: Trace) -> str:
    """A metric per step that began, in the order written (milliseconds; its status and what the cache did), and one for the shaping.

    One more where functions that take long were run in a thread.
    """
    metrics = [
        f'{step.name};dur={span.milliseconds};desc="{_described(ran.outcomes.get(step.name))}"'
        for step in plan.steps
        if (span := ran.spans.get(step.name))
    ]
    if plan.shape.off_loop:
        metrics += (f"transform;dur={one.milliseconds}" for one in trace.spans if one.type is telemetry.TRANSFORM)
    if trace.spans and (last := trace.spans[-1]).type is telemetry.SHAPE:  # none are left once the trace has been handed on
        metrics.append(f"merge;dur={last.milliseconds}")
    return ", ".join(metrics)


def _described(outcome: Outcome | None) -> str:
    if isinstance(outcome, Reply):
        return f"{outcome.status} {outcome.cache}" if outcome.cache else str(outcome.status)
    return next((word for kind, word in _WORDS.items() if isinstance(outcome, kind)), "cancelled")


def _broken(outcome: Outcome, undone: Mapping[str, bool] | None) -> Response:
    """The response when a step has ended the run."""
    if isinstance(outcome, Failed):
        return _undone(of_error(outcome.error), undone)
    assert isinstance(outcome, Ended)  # nothing else ends a run
    if not outcome.is_answer:
        return _undone(of_end(outcome.status), undone)
    return _with_body(outcome.status, [COMPLETE], Answer(outcome.value).encode())


def told_undone(problem: Problem, undone: Mapping[str, bool] | None) -> Problem:
    """The problem, saying which writes have been taken back."""
    if not undone:
        return problem
    told = [{"step": step, "undone": is_undone} for step, is_undone in undone.items()]
    return replace(problem, members={**problem.members, "undone": told})


def _undone(problem: Problem, undone: Mapping[str, bool] | None) -> Response:
    response = problem_response(told_undone(problem, undone))
    response.is_final = bool(undone)
    return response


def head_of(plan: Plan, ran: Ran) -> tuple[int, RawHeaders, list[str]]:
    """Status and header fields that the endpoint gives a good answer, and the names of those that cannot be made."""
    if not plan.head:
        return 200, [], []
    missing: dict[str, str] = {}
    lines = plan.head.lines(ran.scope, missing)
    status = plan.head.code(ran.scope)
    return status, lines, [*missing]


def check_made(value: Any, missing: Mapping[str, str]) -> None:
    """Raises `Unresolved` when nothing of an answer can be made: one that is no object has no members to spare."""
    if value is None and _WHOLE in missing:
        raise Unresolved(missing[_WHOLE])


def _success(plan: Plan, ran: Ran, failures: list[Failure], span: Span, shaped: Shaped | None) -> Response:
    with span.child(telemetry.SHAPE) as shaping:
        value, missing = shaped or plan.shape(ran.scope)
        check_made(value, missing)
        status, lines, unmade = head_of(plan, ran)
        made = Answer(value, tuple(tell_missing(plan, ran, failures, [*missing, *unmade])), plan.shape.errors)
        shaping.own[telemetry.ANSWER_COMPLETE] = made.complete
        body = made.encode()
    if not made.complete:
        # What was meant for a whole answer says which that is, and how long it may be kept.
        lines = [line for line in lines if line[0] not in _OF_THE_WHOLE]
    said = (COMPLETE,) if made.complete else (INCOMPLETE, NO_STORE)
    if status in WITHOUT_BODY:
        if made.complete:
            return Response(status, [*said, *lines], b"")
        status = 200  # what is missing has to be said somewhere
    return _with_body(status, [*said, *lines], body)


def _with_body(status: int, headers: RawHeaders, body: bytes) -> Response:
    return Response(status, [*headers, (b"content-length", b"%d" % len(body)), _JSON], body)


def failures_of(plan: Plan, ran: Ran) -> list[Failure]:
    """What failed, in the order written."""
    return [(step, outcome.error) for step in plan.steps if isinstance(outcome := ran.outcomes.get(step.name), Failed)]


def _lacking(plan: Plan, ran: Ran) -> Iterator[dict[str, Any]]:
    """What loops say of the items that they have nothing for: of each step one problem of a kind, and how many items have it."""
    for step in plan.steps:
        outcome = ran.outcomes.get(step.name)
        kinds: dict[str, tuple[dict[str, Any], int]] = {}
        for error in outcome.lacks if isinstance(outcome, Gathered) else ():
            told = of_error(error).as_json(step=step.name)
            count = error.left_out if isinstance(error, TooManyItems) else 1
            kinds[told["type"]] = told, kinds.get(told["type"], (told, 0))[1] + count
        yield from ({**told, "items": count} for told, count in kinds.values())


def _unshaped(member: str) -> dict[str, Any]:
    return {"type": f"{TYPE}unshapeable", "title": "A member of the answer cannot be made", "status": 502, "member": member}
