"""`--endpoints`: commands over endpoints that are Python classes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.serve import make_app

CONFIG = 'version: 1\nupstreams: { users: { url: "http://127.0.0.1:9" } }\n'
CLASSES = '''
from gateway import Endpoint, step


class WithUser(Endpoint, timeout="1s"):
    user: dict[str, str] = step("users /users/{path.id}")


class Home(WithUser, path="/home/{id}"):
    """The home screen."""


class Profile(WithUser, path="/profile/{id}"):
    """The profile."""
'''


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path) -> Iterator[None]:
    """A package `shop` in the folder we are in, and a config without endpoints of its own."""
    (tmp_path / "my.yaml").write_text(CONFIG)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "home.py").write_text(CLASSES)
    (tmp_path / "shop" / "again.py").write_text("from shop.home import Home\n")
    (tmp_path / "shop" / "broken.py").write_text("import no_such_thing\n")
    (tmp_path / "shop" / "typo.py").write_text(CLASSES.replace("users /", "usrs /"))
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def test_module_stands_for_all_its_endpoints(run: Any) -> None:
    """Those that it defines and that have a path, in the order written."""
    done = run("routes", "-c", "my.yaml", "--endpoints", "shop.home")

    assert done.out == "GET    /home/{id}     The home screen.\nGET    /profile/{id}  The profile.\n"


def test_class_is_named_behind_a_colon(run: Any) -> None:
    """Several may be, each counts once, and where it comes from does not matter."""
    done = run("routes", "-c", "my.yaml", "-e", "shop.again:Home", "-e", "shop.home:Home", "-e", "shop.home:Profile")

    assert done.out.splitlines() == ["GET    /home/{id}     The home screen.", "GET    /profile/{id}  The profile."]


def test_environment_names_classes(run: Any) -> None:
    """With spaces between them, as worker processes are told."""
    done = run("plan", "/home/7", "-c", "my.yaml", GATEWAY_ENDPOINTS="shop.home:Home shop.home:Profile")

    assert done.out.startswith("GET /home/{id} ")


def test_mistakes_in_classes_are_reported_with_the_config_s(run: Any) -> None:
    """Each where it stands, in one run."""
    Path("my.yaml").write_text(CONFIG.replace("http://127.0.0.1:9", "nowhere"))

    done = run("check", "my.yaml", "-e", "shop.typo:Home")

    assert done.status == 1
    assert done.out.splitlines() == [
        "my.yaml:2:28 upstreams.users.url: not a URL; write http://HOST:PORT or https://HOST",
        f"shop{os.sep}typo.py:9:1 Home.user.get: unknown upstream 'usrs'; did you mean 'users'?",
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("shop.hme:Home", "no module shop.hme; write --endpoints as it would be imported here: shop.home:Home"),
        ("shp.home", "no module shp; write --endpoints as it would be imported here: shop.home:Home"),
        ("shop.home:Hme", "shop.home has no endpoint Hme; did you mean 'Home'?"),
        ("shop.home:CONFIG", "shop.home has no endpoint CONFIG"),
        ("shop.again", "shop.again defines no endpoint: a class below gateway.Endpoint that has a path"),
        ("", "not a module's name: ''; write it as in shop.home:Home"),
        (".home", "not a module's name: '.home'; write it as in shop.home:Home"),
    ],
)
def test_names_that_lead_to_no_class_are_told(run: Any, name: str, why: str) -> None:
    """The command cannot be started, and says why in a line."""
    done = run("routes", "-c", "my.yaml", "-e", name)

    assert (done.status, done.err) == (2, f"gateway: {why}\n")


def test_mistake_in_the_module_itself_is_its_own(run: Any) -> None:
    """Its traceback says where it is, which no line of ours could."""
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        run("routes", "-c", "my.yaml", "-e", "shop.broken")


def test_call_and_workers_know_classes(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever loads a config loads the classes with it."""
    monkeypatch.setattr("gateway.cli.serve.spare_the_collector", lambda: None)
    monkeypatch.setenv("GATEWAY_CONFIG", "my.yaml")
    monkeypatch.setenv("GATEWAY_ENDPOINTS", "shop.home")

    app = make_app()
    done = run("call", "/home/7")

    assert set(app.openapi()["paths"]) == {"/home/{id}", "/profile/{id}"}
    assert done.status == 1
    assert "step user" in done.out
