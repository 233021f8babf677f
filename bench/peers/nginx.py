"""nginx with Lua: one worker, `capture_multi`, the parts spliced as they came. The floor for anybody who does not write C."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from bench import APPS, CACHE
from bench.peers import Missing, Peer, Scene
from bench.peers.setting_up import installed, run
from bench.processes import Command

APP = APPS / "nginx"
HOME = CACHE / "nginx"
PACKAGES = ("nginx-light", "libnginx-mod-http-lua")


def prepare() -> str:
    """The one that is installed, or Debian's, unpacked into our own folder: no service is started, nothing on the system changes."""
    if not _is_complete(Path("/")):
        installed(HOME, [APP / "nginx.conf"], _unpack)
    return "nginx " + run([home() / "usr/sbin/nginx", "-v"], env=environment()).strip().rpartition("/")[2]


def home() -> Path:
    """The root that it lies under. Raises `Missing`."""
    for root in (Path("/"), HOME):
        if _is_complete(root):
            return root
    raise Missing(f"not installed; on Debian: apt-get install {' '.join(PACKAGES)}")


def environment() -> Mapping[str, str]:
    """What was unpacked finds its libraries beside it."""
    libraries = {str(library.parent) for library in HOME.glob("usr/lib/**/*.so.*")}
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(libraries))} if libraries else os.environ


def _is_complete(root: Path) -> bool:
    return (root / "usr/sbin/nginx").exists() and (root / "usr/lib/nginx/modules/ngx_http_lua_module.so").exists()


def _unpack() -> None:
    if os.geteuid() or not shutil.which("apt-get"):
        home()  # says what to do
    packages = HOME / "packages"
    (packages / "partial").mkdir(parents=True)
    run(["apt-get", "update"])
    run(
        [
            "apt-get",
            "install",
            "-y",
            "--download-only",
            "--no-install-recommends",
            "-o",
            f"Dir::Cache::archives={packages}",
            *PACKAGES,
        ]
    )
    for package in packages.glob("*.deb"):
        run(["dpkg-deb", "--extract", package, HOME])
    home()


def start(scene: Scene) -> Command:
    """A config for this workload, in the folder of the run."""
    folder = scene.folder / f"nginx-{scene.workload.name}"
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(render(scene, folder, home()))
    return Command([home() / "usr/sbin/nginx", "-e", "stderr", "-p", folder, "-c", config], environment())


def render(scene: Scene, folder: Path, root: Path) -> str:
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
        modules=root / "usr/lib/nginx/modules",
        lua=f"{APP}/?.lua;{root / 'usr/share/lua/5.1'}/?.lua",
        folder=folder,
        port=scene.port,
        route=scene.workload.path,
        parts=", ".join(f'"{part.name}"' for part in scene.workload.parts),
        upstreams=upstreams,
        locations=locations,
    )


PEER = Peer(
    "nginx",
    "nginx with Lua: `capture_multi`, parts spliced unread, one worker",
    prepare,
    start,
    workloads=("aggregate-3", "large"),
)
