"""Fanin itself: `gateway serve` on the configs of the bench, with deadlines, timeouts and retries as they would be in production."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from bench import HERE
from bench.peers import Peer, Scene
from bench.processes import Command
from bench.workloads import Workload

CONFIGS = HERE / "config"


def prepare() -> str:
    """It is here already."""
    from gateway import __version__

    return __version__


def command(tracing: Callable[[Scene], Mapping[str, str]], workers: int, scene: Scene) -> Command:
    """One command, as anybody would start it; the config's `${…}` come from the environment."""
    upstreams = {f"UPSTREAM_{number}": origin for number, origin in enumerate(scene.origins, start=1)}
    return Command(
        [
            *(sys.executable, "-m", "gateway", "serve"),
            *("--config", CONFIGS / f"{scene.workload.name}.yaml"),
            *("--port", str(scene.port), "--workers", str(workers)),
        ],
        {**upstreams, **tracing(scene)},
    )


def untraced(_scene: Scene) -> Mapping[str, str]:
    """No spans leave the process."""
    return {"OTEL_SDK_DISABLED": "true"}


def exported(scene: Scene) -> Mapping[str, str]:
    """Every span goes to the collector, the last of them half a second after the last request."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": scene.collector, "OTEL_BSP_SCHEDULE_DELAY": "500"}


def sampled(scene: Scene) -> Mapping[str, str]:
    """One trace in ten."""
    return {**exported(scene), "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}


def has_config(workload: Workload) -> bool:
    """Whether there is a config for it."""
    return (CONFIGS / f"{workload.name}.yaml").exists()


PEER = Peer(
    "fanin",
    "`gateway serve`; deadlines, timeouts, retries; every span exported over OTLP",
    prepare,
    partial(command, exported, 1),
    serves=has_config,
    is_traced=True,
)

UNTRACED = replace(
    PEER,
    name="fanin-untraced",
    about="the same without tracing",
    command=partial(command, untraced, 1),
    is_traced=False,
)
