"""What the environment says about exporting: OpenTelemetry's own variables → policies.

As its specification has it, a number that is none is said in the log and not taken; what leaves nothing to export with is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from opentelemetry.environment_variables import OTEL_METRICS_EXPORTER, OTEL_PROPAGATORS, OTEL_TRACES_EXPORTER
from opentelemetry.sdk.environment_variables import (
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_SCHEDULE_DELAY,
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_METRIC_EXPORT_INTERVAL,
    OTEL_METRIC_EXPORT_TIMEOUT,
    OTEL_SDK_DISABLED,
)
from opentelemetry.util.re import parse_env_headers

from gateway.errors import StartError
from gateway.policy import TlsPolicy

OTLP_HTTP = "otlp"
"""The one exporter that is our own: OTLP over HTTP, in protobuf."""

_METRIC_TIMES = ((OTEL_METRIC_EXPORT_INTERVAL, 60_000), (OTEL_METRIC_EXPORT_TIMEOUT, 30_000))
"""Milliseconds."""

_log = logging.getLogger(__name__)

_BY_PROTOCOL = {"http/protobuf": OTLP_HTTP, "grpc": "otlp_proto_grpc"}
"""Names of exporters by what they speak: ours, and as the SDK has it."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When spans leave, and how many may wait."""

    delay: float = 5.0
    """Seconds after which spans leave that are no full batch."""

    size: int = 1024
    """Spans of a batch: 280 KB, which a socket takes at once (1.6 µs for eight spans; 2.8 for the SDK's 512, and for twice as many)."""

    waiting: int = 16_384
    """Spans that may wait; what comes then is lost. About 4 MiB. The SDK's 2048 are gone in 25 ms at 10,000 requests/s, sooner than
    some collectors answer."""


@dataclass(frozen=True, slots=True)
class CollectorPolicy:
    """Where spans go, and how."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0
    """Seconds that the export of a batch may take, with all its attempts."""

    compression: str = "none"
    """`none`, `gzip` or `deflate`."""

    tls: TlsPolicy = field(default_factory=TlsPolicy)

    @property
    def place(self) -> str:
        """Where that is, for the log: URLs may have passwords in them."""
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def is_disabled(environ: Mapping[str, str]) -> bool:
    """All of OpenTelemetry is switched off."""
    return environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"


def exporters(environ: Mapping[str, str]) -> list[str]:
    """Names of the exporters that are asked for. Nothing is exported unless an endpoint or an exporter is named."""
    named = _named(environ, OTEL_TRACES_EXPORTER, "TRACES")
    return [_spoken(environ) if name == OTLP_HTTP else name for name in named]


def warn_of_propagators(environ: Mapping[str, str]) -> None:
    """Trace context is all that is spoken; whoever asks for something else should not find out by its absence."""
    asked = {name.strip().lower() for name in environ.get(OTEL_PROPAGATORS, "").split(",")} - {""}
    if asked and "tracecontext" not in asked:
        _log.warning("OTEL_PROPAGATORS is not read: what goes in and out is W3C Trace Context")


def metric_exporters(environ: Mapping[str, str]) -> list[str]:
    """The same for metrics. `prometheus` is none: that is on the admin side, whoever asks."""
    named = _named(environ, OTEL_METRICS_EXPORTER, "METRICS")
    spoken = {"otlp": "otlp_proto_http", "otlp_proto_grpc": "otlp_proto_grpc"}
    return [spoken[_spoken(environ, "METRICS")] if name == OTLP_HTTP else name for name in named if name != "prometheus"]


def metric_times(environ: Mapping[str, str]) -> tuple[float, float]:
    """Seconds between two exports of metrics, and those that one may take."""
    every, timeout = (_number(environ, name, usual) for name, usual in _METRIC_TIMES)
    return every / 1000, timeout / 1000


def _named(environ: Mapping[str, str], variable: str, signal: str) -> list[str]:
    named = [name.strip() for name in environ.get(variable, "").split(",") if name.strip()]
    if not named and _otlp(environ, "ENDPOINT", signal):
        return [OTLP_HTTP]
    return [] if "none" in named else named


def batch_policy(environ: Mapping[str, str]) -> BatchPolicy:
    """How spans are batched."""
    usual = BatchPolicy()
    waiting = int(_number(environ, OTEL_BSP_MAX_QUEUE_SIZE, usual.waiting, least=1))
    return BatchPolicy(
        delay=_number(environ, OTEL_BSP_SCHEDULE_DELAY, usual.delay * 1000) / 1000,
        size=min(int(_number(environ, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, usual.size, least=1)), waiting),
        waiting=waiting,
    )


def collector_policy(environ: Mapping[str, str]) -> CollectorPolicy:
    """Where spans go. Raises `StartError` when that is nowhere."""
    compression = _otlp(environ, "COMPRESSION").lower() or "none"
    if compression not in ("none", "gzip", "deflate"):
        _log.warning("OTEL_EXPORTER_OTLP_COMPRESSION is neither gzip nor none: exporting uncompressed")
        compression = "none"
    return CollectorPolicy(
        url=_url(environ),
        headers=parse_env_headers(_otlp(environ, "HEADERS"), liberal=True),
        timeout=_number(environ, _name(environ, "TIMEOUT"), 10.0),
        compression=compression,
        tls=TlsPolicy(
            ca=_file(environ, "CERTIFICATE"),
            certificate=_file(environ, "CLIENT_CERTIFICATE"),
            key=_file(environ, "CLIENT_KEY"),
        ),
    )


def _name(environ: Mapping[str, str], what: str, signal: str = "TRACES") -> str:
    """The variable for traces alone, or for metrics, when it is set, else the one for everything."""
    own = f"OTEL_EXPORTER_OTLP_{signal}_{what}"
    return own if environ.get(own) else f"OTEL_EXPORTER_OTLP_{what}"


def _otlp(environ: Mapping[str, str], what: str, signal: str = "TRACES") -> str:
    return environ.get(_name(environ, what, signal), "").strip()


def _spoken(environ: Mapping[str, str], signal: str = "TRACES") -> str:
    protocol = _otlp(environ, "PROTOCOL", signal) or "http/protobuf"
    try:
        return _BY_PROTOCOL[protocol]
    except KeyError:
        raise StartError(f"{_name(environ, 'PROTOCOL', signal)} is none of {', '.join(_BY_PROTOCOL)}") from None


def _url(environ: Mapping[str, str]) -> str:
    name = _name(environ, "ENDPOINT")
    url = _otlp(environ, "ENDPOINT") or "http://localhost:4318"
    if name == OTEL_EXPORTER_OTLP_ENDPOINT:
        url = f"{url.removesuffix('/')}/v1/traces"  # the other one is a whole URL
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise StartError(f"{name} is no URL of a collector; write it as in http://127.0.0.1:4318")
    return url


def _file(environ: Mapping[str, str], what: str) -> Path | None:
    text = _otlp(environ, what)
    if text and not Path(text).is_file():
        raise StartError(f"{_name(environ, what)} names no file: {text}")
    return Path(text) if text else None


def _number(environ: Mapping[str, str], name: str, usual: float, least: float = 1e-3) -> float:
    text = environ.get(name, "").strip()
    try:
        number = float(text or usual)
    except ValueError:
        number = -1
    if not least <= number < 1e9:
        _log.warning("%s is not a number of %g or more: taking %g", name, least, usual)
        return usual
    return number
