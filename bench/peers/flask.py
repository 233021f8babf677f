"""Flask and requests under gunicorn: one worker process with a thread for each connection."""

from __future__ import annotations

from functools import partial

from bench.peers import Peer, Scene
from bench.peers.python import command, versions
from bench.processes import Command


def start(scene: Scene) -> Command:
    """Gunicorn's threaded worker; its heartbeat file is kept in memory, as its documentation advises."""
    bind = ("--bind", f"127.0.0.1:{scene.port}", "--keep-alive", "75", "--worker-tmp-dir", "/dev/shm")
    return command(scene, "-m", "gunicorn", "--workers", "1", "--threads", "32", *bind, "flask_requests:app")


PEER = Peer(
    "flask",
    "Flask and requests under gunicorn: 32 threads, a pool of threads for the calls",
    partial(versions, "flask", "requests", "gunicorn"),
    start,
    warm=100,
)
