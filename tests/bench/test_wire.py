"""The bench's own HTTP: what it reads on either side, and what it counts."""

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bench.collector import Collector, count_spans
from bench.load import body_length, percentile
from bench.server import content_length, response

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"


def exported(count):
    """What an exporter sends of so many spans, of two scopes."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for number in range(count):
        provider.get_tracer(f"scope {number % 2}").start_span("a span", attributes={"number": number}).end()
    return encode_spans(kept.get_finished_spans()).SerializeToString()


@pytest.mark.parametrize("answer", [response(b"x" * 19), CHUNKED])
def test_the_length_of_an_answer_is_told_when_it_is_all_there(answer):
    """Both framings, and not a byte too early."""
    assert [body_length(answer[:end]) for end in range(len(answer))] == [None] * len(answer)
    assert body_length(answer) == 19


def test_a_chunk_that_looks_like_the_last_is_not():
    """Chunks are counted by their sizes."""
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n0\r\n\r\n"

    assert body_length(answer) is None


def test_a_head_without_a_length_has_no_body():
    """As it is with a GET."""
    assert content_length(b"GET / HTTP/1.1\r\nHost: here") == 0
    assert content_length(b"POST / HTTP/1.1\r\nCONTENT-LENGTH: 12\r\nHost: here") == 12


@pytest.mark.parametrize("count", [1, 7, 300])
def test_every_span_is_counted(count):
    """Spans lie two messages deep, in as many as the exporter likes."""
    assert count_spans(exported(count)) == count


def test_the_collector_adds_up():
    """`GET /count` tells what came with all requests so far."""
    collector = Collector()

    collector("/v1/traces", exported(2))
    collector("/v1/traces", exported(3))

    assert collector("/count", b"") == b"5"


def test_the_percentile_is_one_of_the_values():
    """Nothing is made up between two latencies."""
    assert [percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 3.0, 4.0]
