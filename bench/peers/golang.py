"""Go's standard library: decode, merge, encode. It stands in for KrakenD, whose floor it is."""

from __future__ import annotations

import json
import os

from bench import APPS, CACHE
from bench.peers import Peer, Scene
from bench.peers.setting_up import installed, run, tool
from bench.processes import Command

APP = APPS / "go"
HOME = CACHE / "go"


def prepare() -> str:
    """Built with the Go that is here; nothing is downloaded."""
    go = tool("go")
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOCACHE": str(CACHE / "go-build")}
    installed(HOME, [APP / "main.go", APP / "go.mod"], lambda: _build(go, env))
    return run([go, "version"], env=env).split()[2]


def _build(go: str, env: dict[str, str]) -> None:
    run([go, "build", "-o", HOME / "aggregate", "."], cwd=APP, env=env)


def start(scene: Scene) -> Command:
    """One core, said to the runtime as well.

    It would count one anyway where the bench pins it. Where it cannot be pinned, its idle threads would look for work on the cores of the
    load, and be charged for it.
    """
    return Command(
        [HOME / "aggregate"],
        {
            "GOMAXPROCS": "1",
            "PORT": str(scene.port),
            "ROUTE": scene.workload.path,
            "PARTS": json.dumps(scene.parts()),
        },
    )


PEER = Peer("go", "Go: net/http and encoding/json, decoded and merged", prepare, start, workloads=("aggregate-3", "large"))
