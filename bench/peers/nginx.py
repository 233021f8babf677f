"""nginx with Lua: one worker, `capture_multi`, the parts spliced as they came. The floor for anybody who does not write C."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from string import Template

from bench import APPS
from bench.peers import Missing, Peer, Scene
from bench.peers.setting_up import run, tool
from bench.processes import Command

APP = APPS / "nginx"
PACKAGES = ("nginx-light", "libnginx-mod-http-lua")


def prepare() -> str:
    """Nginx and its Lua module: there, or from Debian where we may install."""
    if not _has_module():
        _install()
    if not _has_module():
        raise Missing("nginx has no Lua module")
    return "nginx " + run([tool("nginx"), "-v"]).strip().rpartition("/")[2]


def _has_module() -> bool:
    return bool(shutil.which("nginx")) and modules().joinpath("ngx_http_lua_module.so").exists()


def _install() -> None:
    if os.geteuid() or not shutil.which("apt-get"):
        raise Missing(f"not installed; on Debian: apt-get install {' '.join(PACKAGES)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], env=env)
    run(["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES], env=env)


def modules() -> Path:
    """Where this nginx has its modules."""
    found = re.search(r"--modules-path=(\S+)", run([tool("nginx"), "-V"]))
    return Path(found[1] if found else "/usr/lib/nginx/modules")


def command(scene: Scene) -> Command:
    """A config for this workload, in the folder of the run."""
    folder = scene.folder / f"nginx-{scene.workload.name}"
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(render(scene, folder, modules()))
    return Command([tool("nginx"), "-e", "stderr", "-p", folder, "-c", config])


def render(scene: Scene, folder: Path, modules: Path) -> str:
    """The config, with an upstream for each origin and a location for each part."""
    upstreams = "".join(
        f"    upstream origin{number} {{ server {url.removeprefix('http://')}; keepalive 128; keepalive_requests 100000000; }}\n"
        for number, url in enumerate(scene.origins)
    )
    locations = "".join(
        f"        location /_{part.name}/ {{ internal; proxy_pass http://origin{part.origin}{part.prefix}; }}\n"
        for part in scene.workload.parts
    )
    return Template((APP / "nginx.conf").read_text()).substitute(
        modules=modules,
        lua=APP,
        folder=folder,
        port=scene.port,
        route=scene.workload.path,
        parts=", ".join(f'"{part.name}"' for part in scene.workload.parts),
        upstreams=upstreams,
        locations=locations,
    )


PEER = Peer("nginx", "nginx with Lua: `capture_multi`, parts spliced unread, one worker", prepare, command)
