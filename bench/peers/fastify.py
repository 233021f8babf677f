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
    installed(HOME, [APP / "package-lock.json"], lambda: npm_ci(npm))
    copied(APP / "server.js", HOME)
    versions = json.loads((HOME / "package.json").read_text())["dependencies"]
    return f"fastify {versions['fastify']}, undici {versions['undici']}, node {run([node, '--version']).strip()}"


def npm_ci(npm: str) -> None:
    """Exactly what the lock says."""
    for name in ("package.json", "package-lock.json"):
        copied(APP / name, HOME)
    run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=HOME)


def command(scene: Scene) -> Command:
    """Told by its environment what to aggregate."""
    return Command(
        ["node", HOME / "server.js"],
        {
            "NODE_ENV": "production",
            "PORT": str(scene.port),
            "ROUTE": scene.workload.path,
            "PARTS": json.dumps(scene.parts()),
        },
    )


PEER = Peer("fastify", "Node: fastify and undici, one process", prepare, command)
