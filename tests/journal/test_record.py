"""A trace and the bytes that are kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import telemetry
from gateway.formats.encode import Unencodable
from gateway.journal.record import Service, outcomes_of, pack, summarise, unpack
from gateway.telemetry import Link


def test_what_is_kept_is_the_trace(service: Service, finished: Any, over: Any) -> None:
    """Every span with all that it says, its links, and what the steps need; ids as large as they get."""
    trace = finished(number=2**128 - 1)
    trace.remote_parent, trace.tracestate = 2**64 - 1, "a=1"
    trace.root.links = (Link(2**127, 2**63, False),)
    trace.spans[1].own |= {telemetry.RETRY_DELAY: 0.5, telemetry.STEP_ITEMS: 3}

    record = unpack(pack(over(trace), {"user": ["orders"]}, service))

    back = record.trace
    assert (back.id, back.sampled, back.remote_parent, back.tracestate) == (trace.id, True, 2**64 - 1, "a=1")
    for one, other in zip(back.spans, trace.spans, strict=True):
        assert (one.id, one.parent, one.name, one.kind) == (other.id, other.parent, other.name, other.kind)
        assert (one.start, one.end, one.error, one.links) == (other.start, other.end, other.error, other.links)
        assert one.attributes == other.attributes
    assert (record.needs, record.service) == ({"user": ["orders"]}, service)


def test_what_it_is_found_by(service: Service, finished: Any, over: Any) -> None:
    """Endpoint, target, status, how long and how complete, and what became of each step."""
    found = summarise(over(finished(number=0xABC, at=2, complete=False), 3), service)

    assert (found.trace, found.span, found.at) == (f"{0xABC:032x}", f"{1:016x}", 2.0)
    assert (found.name, found.method, found.path, found.target) == ("GET /a/{id}", "GET", "/a/{id}", "/a/2748")
    assert (found.status, found.complete, found.duration, found.stands_for) == (200, False, 20.0, 3)
    assert outcomes_of(found.steps) == {"user": "fallback"}


def test_a_text_that_json_has_no_form_for_is_no_record(service: Service, finished: Any, over: Any) -> None:
    """Whoever writes drops it."""
    with pytest.raises(Unencodable):
        pack(over(finished(**{telemetry.USER_AGENT: "\ud800"})), {}, service)
