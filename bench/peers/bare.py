"""The bare server: what stands below Fanin, with nothing above it. It runs on the gateway's own packages."""

from __future__ import annotations

import sys
from importlib.metadata import version

from bench import APPS
from bench.data import encode
from bench.peers import Peer, Scene
from bench.peers.python import UVICORN
from bench.processes import Command


def prepare() -> str:
    """It is here already."""
    return f"uvicorn {version('uvicorn')}"


def start(scene: Scene) -> Command:
    """Gives the right answer to the only id that is asked for, whatever is asked."""
    body = scene.folder / f"{scene.workload.name}.json"
    body.write_bytes(encode(scene.workload.answer(scene.workload.numbers()[0])))
    options = ("--no-server-header", "--no-proxy-headers", "--host", "127.0.0.1", "--port", str(scene.port))
    return Command([sys.executable, *UVICORN, *options, "bare:app"], {"BODY": str(body)}, APPS / "python")


PEER = Peer("bare", "uvicorn with a constant answer: the floor below Fanin", prepare, start, workloads=("cached", "kept"))
