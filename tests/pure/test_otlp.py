"""Traces as OTLP: what a collector reads in our bytes is what it would read in the SDK's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.export.otlp import Envelope, encode
from gateway.export.readable import readable_spans
from gateway.telemetry import FREE_TEXT, URL_PATH, Attribute, Link, Span, SpanType, Trace

RESOURCE = Resource({"service.name": "fanin", "process.command_args": ["a", "b"], "n": 1, "ratio": 0.5}, "https://schema.test/1")
SCOPE = InstrumentationScope("fanin", "1.0")

INT64 = st.integers(-(2**63), 2**63 - 1)
SPAN_IDS = st.integers(1, 2**64 - 1)
NAMES = st.text().filter(lambda name: name not in FREE_TEXT)
ATTRIBUTES = st.dictionaries(NAMES, st.text() | st.booleans() | INT64 | st.floats(), max_size=4)
LINKS = st.builds(Link, st.integers(1, 2**128 - 1), SPAN_IDS, st.booleans())
OWN = st.builds(dict.__or__, ATTRIBUTES, st.dictionaries(st.sampled_from(sorted(FREE_TEXT)), st.text(), max_size=4))


@st.composite
def traces(draw: Callable[..., Any]) -> Trace:
    """Any trace that has ended, its parent here or elsewhere."""
    remote = draw(st.none() | SPAN_IDS)
    state = draw(st.sampled_from(["", "vendor=1", "vendor=1,other=a/b"]))
    trace = Trace(
        draw(st.integers(1, 2**128 - 1)), sampled=True, next_id=lambda: draw(SPAN_IDS), remote_parent=remote, tracestate=state
    )
    for _ in range(draw(st.integers(1, 4))):
        own = draw(OWN)
        alike = {name: value for name, value in draw(ATTRIBUTES).items() if name not in own}
        of = SpanType(draw(st.text()), draw(st.sampled_from(["server", "client", "internal"])), alike)
        span = trace.span(of, draw(st.sampled_from([remote, *(span.id for span in trace.spans)])))
        span.start, span.end, span.own, span.error = draw(INT64) % 2**63, draw(INT64) % 2**63, own, draw(st.booleans())
        span.links = draw(st.lists(LINKS, max_size=2).map(tuple))
    return trace


def sent(*traces: Trace) -> ExportTraceServiceRequest:
    """What a collector reads."""
    return ExportTraceServiceRequest.FromString(Envelope(RESOURCE, SCOPE).around([encode(trace) for trace in traces]))


def spans(*traces: Trace) -> list[Any]:
    """The spans a collector reads."""
    return list(sent(*traces).resource_spans[0].scope_spans[0].spans)


def one_span(own: dict[str, Attribute]) -> Trace:
    """A trace of one span with these attributes."""
    trace = Trace(1, sampled=True, next_id=count(1).__next__)
    with trace.span(SpanType("x"), None) as span:
        span.own = own
    return trace


def value(trace: Trace) -> Any:
    """The one attribute, as the one kind of value that it has."""
    ((attribute,),) = (span.attributes for span in spans(trace))
    return getattr(attribute.value, attribute.value.WhichOneof("value"))


@given(st.lists(traces(), min_size=1, max_size=3))
def test_a_collector_reads_what_the_sdk_would_have_sent(given: list[Trace]) -> None:
    """Field by field, whatever the trace."""
    theirs = encode_spans([span for trace in given for span in reversed(list(readable_spans(trace, RESOURCE, SCOPE)))])

    ours = sent(*given)

    assert str(ours) == str(theirs)  # as text: nan is not nan


@pytest.mark.parametrize("length", [0, 1, 60, 90, 100, 127, 128, 16_383, 16_384, 70_000])
def test_a_text_of_any_length_is_framed(length: int) -> None:
    """Also where a length takes one byte more."""
    text = "é" + "x" * length

    read = value(one_span({URL_PATH: text}))

    assert read == text


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_has_no_place_goes_as_text(number: int) -> None:
    """As OpenTelemetry's specification has it; the SDK's encoder drops it."""
    assert value(one_span({"n": number})) == str(number)


@pytest.mark.parametrize("name", [URL_PATH, "else"])
def test_half_a_character_does_not_cost_the_trace(name: str) -> None:
    """UTF-8 has no lone surrogates: a question mark stands in."""
    assert value(one_span({name: "a\ud800b"})) == "a?b"


def test_values_that_are_equal_keep_their_type() -> None:
    """True is 1 to Python, and not to a collector."""
    read = [value(one_span({"same": one})) for one in (True, 1, 1.0, "1")]

    assert [(type(one), one) for one in read] == [(bool, True), (int, 1), (float, 1.0), (str, "1")]


def test_only_the_root_s_parent_is_remote() -> None:
    """The one that came over the wire; the flags say so, and say that they say so."""
    trace = replace(one_span({}), remote_parent=77, spans=[])
    trace.span(SpanType("root"), 77).child(SpanType("below"))
    trace.span(SpanType("alone"), None)
    for span in trace.spans:
        _ended(span)

    assert [(span.name, span.flags) for span in spans(trace)] == [("root", 0x300), ("below", 0x100), ("alone", 0x100)]


def _ended(span: Span) -> None:
    with span:
        pass
