"""Fastify and undici on Node: one process, a pool of keep-alive connections to each upstream."""

from __future__ import annotations

import json

from bench import APPS, CACHE
from bench.peers import Peer, Scene
from bench.peers.setting_up import copied, installed, run, tool
from bench.processes import Command

APP = APPS / "fastify"
HOME = CACHE / "fastify"


def prepare() -> str:
    """Node must be there; the packages come from npm, by the lock."""
    node, npm = tool("node"), tool("npm")
    installed(HOME, [APP / "package-lock.json"], lambda: _install(npm))
    for script in APP.glob("*.js"):
        copied(script, HOME)
    versions = json.loads((HOME / "package.json").read_text())["dependencies"]
    return f"fastify {versions['fastify']}, undici {versions['undici']}, node {run([node, '--version']).strip()}"


def _install(npm: str) -> None:
    for name in ("package.json", "package-lock.json"):
        copied(APP / name, HOME)
    run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=HOME)


def start(scene: Scene) -> Command:
    """Told by its environment what to aggregate."""
    env = {"NODE_ENV": "production", "PORT": str(scene.port), "ROUTE": scene.workload.path}
    if not scene.workload.parts:
        origins = {"USERS": scene.origins[0], "RECOMMENDATIONS": scene.origins[2]}
        return Command(["node", HOME / "chain.js"], {**env, **origins})
    return Command(["node", HOME / "aggregate.js"], {**env, "PARTS": json.dumps(scene.parts())})


PEER = Peer(
    "fastify",
    "Node: fastify and undici, one process",
    prepare,
    start,
    workloads=("aggregate-3", "aggregate-1", "aggregate-10", "aggregate-20", "large", "chain"),
    # Until then V8 is still compiling, and a request costs up to three times as much; what it has compiled it drops when it is
    # idle for as long as the others' rounds take.
    warm=6_000,
)
