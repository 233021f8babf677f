"""`gateway demo`: the services, the gateway, a first answer, and the way out."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from gateway.cli.demo import first_call, run_demo, stop
from gateway.cli.layout import make_console
from gateway.errors import ConfigError, StartError

NAMES = ["users", "orders", "catalog", "recommendations"]


@pytest.fixture
def services_port(free_ports: Callable[[int], int]) -> int:
    """The first of four free ports, and one more."""
    return free_ports(5)


def figures(out: str) -> list[int]:
    """The milliseconds that are compared at the end."""
    return [int(number) for number in re.findall(r"^  (?:the answer|its slowest|the steps).* (\d+) ms", out, flags=re.MULTILINE)]


@pytest.mark.slow
def test_once_is_a_first_answer_and_status_0(run: Any, services_port: int, is_gone: Any) -> None:
    """Services, gateway, answer, waterfall, comparison, URLs, and nothing left."""
    done = run("demo", "--port", "0", "--services-port", str(services_port), ONCE="1")

    assert (done.status, done.err) == (0, "")
    started = dict(re.findall(r"^  ✓ (\w+) +(http://\S+)$", done.out, flags=re.MULTILINE))
    assert list(started) == [*NAMES, "gateway"]
    answer = json.loads(re.search(r"^\{.*?^\}$", done.out, flags=re.MULTILINE | re.DOTALL)[0])  # type: ignore[index]
    assert (answer["user"]["id"], len(answer["orders"])) == (42, 5)
    assert all(
        f"\n  step {step} " in done.out.partition("trace ")[2] for step in ("user", "orders", "products", "recommendations")
    )
    assert f"endpoint  {started['gateway']}/v1/home/42\n  docs      {started['gateway']}/docs" in done.out
    assert "Ctrl-C" not in done.out
    assert _nobody_listens(started.values())


@pytest.mark.slow
def test_the_comparison_adds_up(run: Any, services_port: int) -> None:
    """The answer takes at least its slowest chain, and the sum of its steps is more than either."""
    out = run("demo", "--port", "0", "--services-port", str(services_port), "--once").out

    answer, chain, one_after_another = figures(out)
    assert chain <= answer + 1
    assert chain < one_after_another
    assert re.search(r"ms  (user → recommendations|orders → products)$", out, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(start: Any, services_port: int, is_gone: Any, how: signal.Signals) -> None:
    """What it says to try works meanwhile; then status 0, no complaint, and no process or listener left."""
    process = start("demo", "--port", "0", "--services-port", str(services_port), "--admin-port", str(services_port + 4))
    shown = _until(process, "curl -i")
    url = re.findall(r"curl -i (http://\S+)", shown)[0]
    switch, setting = re.findall(r"curl -X PUT (\S+) -d '(.*)'", shown)[0]

    urlopen(Request(switch, setting.encode(), method="PUT"), timeout=20).close()
    with urlopen(url, timeout=20) as response:
        complete = response.headers["gateway-complete"]
    urlopen(f"http://127.0.0.1:{services_port + 4}/api", timeout=20).close()
    process.send_signal(how)
    out, complaint = process.communicate()

    assert complete == "false"
    assert (process.returncode, out, complaint) == (0, "", "")
    assert is_gone(process.pid, int(url.split(":")[2].split("/")[0]), *range(services_port, services_port + 5))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_stopped_while_it_starts(start: Any, services_port: int, is_gone: Any, how: signal.Signals) -> None:
    """Status 0, and the services that had started are gone."""
    process = start("demo", "--port", "0", "--services-port", str(services_port))
    _until(process, "✓ users")

    process.send_signal(how)
    _, complaint = process.communicate()

    assert (process.returncode, complaint) == (0, "")
    assert is_gone(process.pid, *range(services_port, services_port + 4))


def _until(process: subprocess.Popen[str], text: str) -> str:
    shown = ""
    assert process.stdout
    while text not in shown:
        line = process.stdout.readline()
        assert line, f"it ended after {shown!r}"
        shown += line
    return shown


def _nobody_listens(urls: Any) -> bool:
    for url in urls:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0:
                return False
    return True


def test_a_port_of_the_gateway_in_use_is_named_with_its_remedy(run: Any) -> None:
    """Status 2, before any service is started, and how to choose another through make too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = run("demo", GATEWAY_PORT=str(port))

    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"gateway: port {port} on 127.0.0.1 is in use by another program; "
        "choose another with --port or GATEWAY_PORT (make demo ARGS='--port 8090')\n"
    )


def test_a_port_of_a_service_in_use_is_named_with_its_remedy(run: Any, services_port: int) -> None:
    """Whichever of the four it is."""
    with socket.create_server(("127.0.0.1", services_port + 2)):
        done = run("demo", "--port", "0", GATEWAY_SERVICES_PORT=str(services_port))

    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"gateway: port {services_port + 2} on 127.0.0.1 is in use by another program; "
        "choose another with --services-port or GATEWAY_SERVICES_PORT (make demo ARGS='--services-port 9201')\n"
    )


@pytest.mark.slow
def test_a_service_that_dies_is_told_and_the_others_end(run: Any, services_port: int) -> None:
    """Status 2. Here no interpreter can start, for want of its library."""
    done = run("demo", "--port", "0", "--services-port", str(services_port), PYTHONHOME="/nowhere")

    assert done.status == 2
    assert done.err == "gateway: a mock service ended before it answered; its own message stands above\n"
    assert _nobody_listens(f"http://127.0.0.1:{services_port + number}" for number in range(4))


@pytest.mark.slow
def test_a_service_that_does_not_answer_is_named(services_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for for ever, and ended with the others."""
    monkeypatch.setattr("gateway.cli.demo.PATIENCE", 0.0)

    with pytest.raises(StartError, match=rf"the mock service users did not answer on port {services_port} within 0 s"):
        run_demo(0, services_port, once=True)

    assert _nobody_listens(f"http://127.0.0.1:{services_port + number}" for number in range(4))


@pytest.mark.slow
def test_a_bad_first_answer_is_shown_and_status_1(services_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A showcase that does not work must not look as if it did; the waterfall says why."""
    config = tmp_path / "mine.yaml"
    config.write_text(
        "version: 1\nupstreams: { users: { url: '${USERS_URL}' } }\nendpoints:\n"
        "  - { path: '/v1/{what}/{id}', steps: { user: { get: 'users /nothing/{path.id}' } } }\n"
    )

    status = run_demo(0, services_port, once=True, config=config)

    out = capsys.readouterr().out
    assert status == 1
    assert "404 Not Found" in out
    assert "failed · status 404" in out
    assert figures(out)[1] == figures(out)[2]


@pytest.mark.slow
def test_a_config_without_the_endpoint_of_the_first_call_ends_too(
    services_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing ran, so that there is no waterfall to wait for."""
    config = tmp_path / "mine.yaml"
    config.write_text(
        "version: 1\nupstreams: { users: { url: '${USERS_URL}' } }\nendpoints:\n"
        "  - { path: '/other', steps: { user: { get: users /users/1 } } }\n"
    )

    status = run_demo(0, services_port, once=True, config=config)

    out = capsys.readouterr().out
    assert status == 1
    assert "404 Not Found" in out
    assert "trace " not in out


@pytest.mark.slow
def test_a_signal_during_the_first_call_lets_it_be_answered(
    services_port: int, upstream: Any, write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then it ends with status 0, and does not say that it goes on."""
    config = write("  - { path: '/v1/home/{id}', steps: { user: { get: 'users /users/{path.id}' } } }\n", url=upstream.url)
    upstream.answers = {"/users/42": [lambda: os.kill(os.getpid(), signal.SIGTERM) or (200, {"id": 42})]}

    status = run_demo(0, services_port, once=False, config=Path(config))

    out = capsys.readouterr().out
    assert status == 0
    assert "200 OK" in out
    assert "Ctrl-C" not in out


async def test_a_first_call_that_gets_no_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As when the gateway is stopped before it was asked."""
    first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    is_good = await first_call(make_console(), "http://127.0.0.1:9", [], first)

    assert not is_good
    assert "no answer: " in capsys.readouterr().out


def test_findings_keep_anything_from_being_started(
    services_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A config that was edited is checked before the services start."""
    config = tmp_path / "mine.yaml"
    config.write_text("version: 2\n")

    with pytest.raises(ConfigError, match="version"):
        run_demo(0, services_port, once=True, config=config)

    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_an_app_that_cannot_start_is_status_2(run: Any, services_port: int, caplog: pytest.LogCaptureFixture) -> None:
    """The first call is not made to something that will never answer. Here spans are to leave in a way that nobody knows."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "pigeon"}

    done = run("demo", "--port", "0", "--services-port", str(services_port), "--once", **environ)
    gc.collect()

    assert done.status == 2
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
    assert done.err.splitlines()[-1] == "gateway: the gateway could not start; the reason stands above"
    assert _nobody_listens(f"http://127.0.0.1:{services_port + number}" for number in range(4))


@pytest.mark.slow
def test_a_folder_named_services_is_not_taken_for_ours(run: Any, services_port: int, tmp_path: Path) -> None:
    """The demo may be started anywhere."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("raise SystemExit('not yours to run')")

    done = run("demo", "--port", "0", "--services-port", str(services_port), "--once")

    assert (done.status, done.err) == (0, "")


@pytest.mark.slow
def test_what_does_not_end_when_asked_is_ended_by_force() -> None:
    """Ctrl-C means it."""
    ignoring = "import signal; signal.alarm(20); signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    deaf, polite = (
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        for code in (ignoring, ignoring.replace("IGN", "DFL"))
    )
    for process in (deaf, polite):
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.stdout.close()

    stop([deaf, polite], grace=0.2)

    assert (deaf.returncode, polite.returncode) == (-signal.SIGKILL, -signal.SIGTERM)


@pytest.mark.slow
def test_it_goes_on_after_the_first_answer(
    services_port: int, upstream: Any, write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what to try; what is asked of it then is answered, and ends it here with status 0."""
    config = write("  - { path: '/v1/home/{id}', steps: { user: { get: 'users /users/{path.id}' } } }\n", url=upstream.url)
    upstream.answers = {
        "/users/42": [(200, {"id": 42}), lambda: os.kill(os.getpid(), signal.SIGTERM) or (200, {"id": 42})],
    }
    port = services_port + 4
    asking = threading.Thread(target=_ask_a_second_time, args=(port, upstream), daemon=True)
    asking.start()

    status = run_demo(port, services_port, once=False, config=Path(config))

    asking.join(20)
    assert status == 0
    assert "Serving until Ctrl-C" in capsys.readouterr().out
    assert len(upstream.asked) == 2


def _ask_a_second_time(port: int, upstream: Any) -> None:
    """Once the first call has been made."""
    patience = time.monotonic() + 40
    while not upstream.asked and time.monotonic() < patience:
        time.sleep(0.02)
    urlopen(f"http://127.0.0.1:{port}/v1/home/42", timeout=20).close()
