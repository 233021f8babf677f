"""OpenTelemetry's variables: which of them is heard, what is taken when one makes no sense, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StartError
from gateway.export.settings import BatchPolicy, batch_policy, collector_policy, exporters, warn_of_propagators

OTLP = "OTEL_EXPORTER_OTLP_"
ENDPOINT = {f"{OTLP}ENDPOINT": "http://a.test:4318"}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        (ENDPOINT, ["otlp"]),
        ({f"{OTLP}TRACES_ENDPOINT": "http://a.test"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": " console , otlp,"}, ["console", "otlp"]),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": ""}, ["otlp"]),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "console"}, ["console"]),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, []),
        ({**ENDPOINT, f"{OTLP}PROTOCOL": "http/protobuf"}, ["otlp"]),
        ({**ENDPOINT, f"{OTLP}PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        ({**ENDPOINT, f"{OTLP}PROTOCOL": "grpc", f"{OTLP}TRACES_PROTOCOL": "http/protobuf"}, ["otlp"]),
    ],
)
def test_who_exports(environ: dict[str, str], names: list[str]) -> None:
    """Nobody, unless an endpoint or an exporter is named; OTLP goes by its protocol."""
    assert exporters(environ) == names


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://localhost:4318/v1/traces"),
        (ENDPOINT, "http://a.test:4318/v1/traces"),
        ({f"{OTLP}ENDPOINT": "https://a.test/otlp/"}, "https://a.test/otlp/v1/traces"),
        ({**ENDPOINT, f"{OTLP}TRACES_ENDPOINT": "http://b.test/elsewhere"}, "http://b.test/elsewhere"),
    ],
)
def test_where_to(environ: dict[str, str], url: str) -> None:
    """A path is added to the general endpoint, and not to the one for traces."""
    assert collector_policy(environ).url == url


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({f"{OTLP}ENDPOINT": "a.test:4318"}, f"{OTLP}ENDPOINT is no URL"),
        ({f"{OTLP}ENDPOINT": "ftp://a.test"}, f"{OTLP}ENDPOINT is no URL"),
        ({f"{OTLP}ENDPOINT": "http://:4318"}, f"{OTLP}ENDPOINT is no URL"),
        ({f"{OTLP}TRACES_ENDPOINT": "http://a.test:port"}, f"{OTLP}TRACES_ENDPOINT is no URL"),
        ({f"{OTLP}CERTIFICATE": "/no/such/file"}, f"{OTLP}CERTIFICATE names no file: /no/such/file"),
        ({f"{OTLP}TRACES_CLIENT_KEY": "/no/such/key"}, f"{OTLP}TRACES_CLIENT_KEY names no file"),
    ],
)
def test_what_leads_nowhere_is_refused(environ: dict[str, str], told: str) -> None:
    """At the start, by the name of the variable that was read."""
    with pytest.raises(StartError, match=told):
        collector_policy(environ)


def test_a_protocol_that_nobody_speaks_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(StartError, match=r"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is none of http/protobuf, grpc"):
        exporters({**ENDPOINT, f"{OTLP}TRACES_PROTOCOL": "http/json"})


def test_how_the_collector_is_spoken_to(tmp_path: Path) -> None:
    """Headers as they are percent-encoded, certificates from files, and what is for traces alone wins."""
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).touch()
    environ = {
        f"{OTLP}HEADERS": "x-token=a%20b,X-Other=1",
        f"{OTLP}TIMEOUT": "3",
        f"{OTLP}TRACES_TIMEOUT": "0.5",
        f"{OTLP}COMPRESSION": "gzip",
        f"{OTLP}CERTIFICATE": str(tmp_path / "ca"),
        f"{OTLP}CLIENT_CERTIFICATE": str(tmp_path / "certificate"),
        f"{OTLP}CLIENT_KEY": str(tmp_path / "key"),
    }

    policy = collector_policy(environ)

    assert dict(policy.headers) == {"x-token": "a b", "x-other": "1"}
    assert (policy.timeout, policy.compression) == (0.5, "gzip")
    assert [path.name for path in (policy.tls.ca, policy.tls.certificate, policy.tls.key) if path] == ["ca", "certificate", "key"]


@pytest.mark.parametrize(
    ("environ", "changed"),
    [
        ({}, {}),
        ({"OTEL_BSP_SCHEDULE_DELAY": "250"}, {"delay": 0.25}),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}, {"size": 10}),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "100"}, {"waiting": 100, "size": 100}),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0.5", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "0"}, {}),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "30"}, {"waiting": 100, "size": 30}),
    ],
)
def test_how_spans_are_batched(environ: dict[str, str], changed: dict[str, Any]) -> None:
    """A batch is never larger than what may wait."""
    usual = {"delay": 5.0, "size": 1024, "waiting": 16_384}

    assert batch_policy(environ) == BatchPolicy(**{**usual, **changed})


@pytest.mark.parametrize("text", ["", "soon", "-1", "0", "nan", "inf"])
def test_a_number_that_is_none_is_not_taken(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the variable and what is taken in its place; one that is empty is not set."""
    policy = batch_policy({"OTEL_BSP_SCHEDULE_DELAY": text})

    told = ["OTEL_BSP_SCHEDULE_DELAY is not a number of 0.001 or more: taking 5000"]
    assert policy == BatchPolicy()
    assert [record.getMessage() for record in caplog.records] == (told if text else [])


def test_a_compression_that_nobody_knows_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """Spans go uncompressed, and the log says so."""
    policy = collector_policy({f"{OTLP}COMPRESSION": "brotli"})

    assert policy.compression == "none"
    assert "exporting uncompressed" in caplog.text


@pytest.mark.parametrize(
    ("asked", "told"), [("", False), ("tracecontext,baggage", False), (" TraceContext ", False), ("b3", True), ("none", True)]
)
def test_propagators_that_are_not_spoken_are_told(asked: str, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    """W3C Trace Context is what there is."""
    warn_of_propagators({"OTEL_PROPAGATORS": asked})

    assert bool(caplog.records) is told
