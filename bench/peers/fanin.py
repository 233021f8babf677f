"""Fanin itself: `gateway serve` on the configs of the bench, with deadlines, timeouts and retries as they would be in production.

Its variants answer the very same requests: with less tracing, from two workers, as one endpoint of a thousand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import HERE
from bench.peers import ALL, Peer, Scene
from bench.processes import Command
from bench.workloads import WORKLOADS, Workload

CONFIGS = HERE / "config"
ENDPOINTS = 1000
SHARE = 0.1
"""Of the traces that the sampled variant keeps."""

Tracing = Callable[[Scene], Mapping[str, str]]


def prepare() -> str:
    """It is here already."""
    from gateway import __version__

    return __version__


def untraced(_scene: Scene) -> Mapping[str, str]:
    """No spans leave the process."""
    return {"OTEL_SDK_DISABLED": "true"}


def exported(scene: Scene) -> Mapping[str, str]:
    """Every span goes to the collector, the last of them 0.2 seconds after the last request, so that nobody has to wait long for it."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": scene.collector, "OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_METRICS_EXPORTER": "none"}


def sampled(scene: Scene) -> Mapping[str, str]:
    """One trace in ten."""
    return {**exported(scene), "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(SHARE)}


def refused(scene: Scene) -> Mapping[str, str]:
    """Nobody is where the spans should go: the port that is set aside for throwing things away."""
    return {**exported(scene), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def unanswered(scene: Scene) -> Mapping[str, str]:
    """Every batch is left without an answer, until its time is over."""
    return {**exported(scene), "OTEL_EXPORTER_OTLP_ENDPOINT": scene.silent}


def kept(scene: Scene) -> Mapping[str, str]:
    """No spans leave the process, and the journal is on, as it is where somebody has an admin side."""
    return {**untraced(scene), "GATEWAY_JOURNAL": str(scene.folder / f"{scene.workload.name}-{scene.port}.sqlite")}


def written(scene: Scene) -> Path:
    """The config as it lies there."""
    return CONFIGS / f"{scene.workload.name}.yaml"


def repeated(scene: Scene) -> Path:
    """The same endpoint in the middle of a thousand."""
    file = scene.folder / f"{scene.workload.name}-{ENDPOINTS}.yaml"
    file.write_text(repeat(written(scene).read_text(), scene.workload))
    return file


def repeat(config: str, workload: Workload) -> str:
    """A config of one endpoint, with 999 more like it, half of them before and half behind."""
    head, separator, endpoint = config.partition("endpoints:\n")
    copies = [endpoint.replace(workload.path, f"/shop-{number:04}/{workload.name}/") for number in range(1, ENDPOINTS)]
    middle = len(copies) // 2
    return head + separator + "".join([*copies[:middle], endpoint, *copies[middle:]])


def command(scene: Scene, *, tracing: Tracing, config: Callable[[Scene], Path] = written, workers: int = 1) -> Command:
    """One command, as anybody would start it, without an admin side; the config's `${…}` come from the environment."""
    options = ("--config", config(scene), "--port", str(scene.port), "--admin-port", "0", "--workers", str(workers))
    return Command([sys.executable, "-m", "gateway", "serve", *options], {**upstreams(scene.origins), **tracing(scene)})


def upstreams(origins: Sequence[str]) -> Mapping[str, str]:
    """What the configs call the upstreams."""
    return {f"UPSTREAM_{number}": origin for number, origin in enumerate(origins, start=1)}


PEER = Peer(
    "fanin",
    "`gateway serve`: deadlines, timeouts, retries; every span exported over OTLP",
    prepare,
    partial(command, tracing=exported),
    workloads=tuple(WORKLOADS),
    traced=ALL,
)

UNTRACED = replace(
    PEER,
    name="fanin-untraced",
    about="the same without tracing",
    command=partial(command, tracing=untraced),
    workloads=("aggregate-3", "cached", "kept"),
    traced=0.0,
)

SAMPLED = replace(
    UNTRACED,
    name="fanin-sampled",
    about="the same with one trace in ten exported",
    command=partial(command, tracing=sampled),
    workloads=("aggregate-3",),
    traced=SHARE,
)

REFUSED = replace(
    UNTRACED,
    name="fanin-refused",
    about="the same with a collector that is not there",
    command=partial(command, tracing=refused),
    workloads=("aggregate-3",),
)

UNANSWERED = replace(
    REFUSED,
    name="fanin-unanswered",
    about="the same with a collector that never answers",
    command=partial(command, tracing=unanswered),
)

JOURNAL = replace(
    UNTRACED,
    name="fanin-journal",
    about="the same without tracing, with the journal",
    command=partial(command, tracing=kept),
    workloads=("aggregate-3",),
)

THOUSAND = replace(
    PEER,
    name="fanin-thousand",
    about="the same as one of 1,000 endpoints",
    command=partial(command, tracing=exported, config=repeated),
    workloads=("aggregate-3",),
)

WORKERS = replace(
    PEER,
    name="fanin-workers",
    about="the same in two workers",
    command=partial(command, tracing=exported, workers=2),
    workloads=("aggregate-3",),
    workers=2,
)
