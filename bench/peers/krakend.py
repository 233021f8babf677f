"""KrakenD, where its binary is named by `KRAKEND=path`: its own metrics and its log off, our config."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import Missing, Peer, Scene
from bench.peers.setting_up import run
from bench.processes import Command


def prepare() -> str:
    """Nobody packages it; whoever has built it says where it is."""
    binary = os.environ.get("KRAKEND")
    if not binary or not Path(binary).exists():
        raise Missing("name its binary with KRAKEND=path")
    found = re.search(r"\d+\.\d+\.\d+\S*", run([binary, "version"]))
    return f"KrakenD {found[0] if found else 'of unknown version'}"


def start(scene: Scene) -> Command:
    """One core, as for the Go that stands in for it."""
    config = scene.folder / f"krakend-{scene.workload.name}.json"
    config.write_text(json.dumps(render(scene)))
    return Command([os.environ["KRAKEND"], "run", "-c", config], {"GOMAXPROCS": "1", "GIN_MODE": "release"})


def render(scene: Scene) -> Mapping[str, Any]:
    """An endpoint whose parts are backends, each under its name; version 3 of the config."""
    backends = [
        {"host": [scene.origins[part.origin]], "url_pattern": f"{part.prefix}{{id}}", "group": part.name}
        for part in scene.workload.parts
    ]
    return {
        "version": 3,
        "listen_ip": "127.0.0.1",
        "port": scene.port,
        "timeout": "5s",
        "max_idle_connections_per_host": 1024,
        "extra_config": {"router": {"disable_access_log": True}, "telemetry/logging": {"level": "ERROR", "stdout": True}},
        "endpoints": [{"endpoint": f"{scene.workload.path}{{id}}", "backend": backends}],
    }


PEER = Peer("krakend", "KrakenD-CE, its metrics off", prepare, start)
