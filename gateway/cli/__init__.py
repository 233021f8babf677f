"""The command line. Every command imports what it needs when it runs, so that `check` and `--help` answer at once."""

from __future__ import annotations

import sys
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from gateway import __version__
from gateway.errors import ConfigError, StartError

CONFIG_FILES = ("config/gateway.yaml", "gateway.yaml")
"""Where a config is looked for when none is named."""

app = typer.Typer(
    epilog="Example: gateway check config/gateway.yaml",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

cache = typer.Typer(
    name="cache",
    help="Look at the cache of a running gateway, and purge it.\n\nExample: gateway cache show",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(cache)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="GATEWAY_CONFIG", help=f"The config; else {' or '.join(CONFIG_FILES)}.")
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoints",
        "-e",
        envvar="GATEWAY_ENDPOINTS",
        help="Endpoints that are Python classes, MODULE or MODULE:CLASS; may be repeated.",
    ),
]
Inject = Annotated[bool, typer.Option("--inject", envvar="GATEWAY_INJECT", help="Let the faults happen that the config injects.")]
Host = Annotated[str, typer.Option(envvar="GATEWAY_HOST", help="Address to listen on.")]
Port = Annotated[int, typer.Option(envvar="GATEWAY_PORT", min=0, max=65535, help="Port to listen on.")]
AdminHost = Annotated[str, typer.Option(envvar="GATEWAY_ADMIN_HOST", help="Address of the admin side to listen on.")]
AdminPort = Annotated[
    int | None,
    typer.Option(
        envvar="GATEWAY_ADMIN_PORT", min=0, max=65535, help="Port of the admin side, 0 for none; else 8081, if it is free."
    ),
]

Journal = Annotated[
    str | None,
    typer.Option(
        envvar="GATEWAY_JOURNAL", help="File to keep traces in, `off` for none; else one that is gone when the gateway is."
    ),
]


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"
    OFF = "off"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LogForm = Annotated[
    LogFormat | None,
    typer.Option("--log-format", envvar="GATEWAY_LOG_FORMAT", help="How it logs; else text on a terminal, JSON elsewhere."),
]
LogAbove = Annotated[
    LogLevel,
    typer.Option("--log-level", envvar="GATEWAY_LOG_LEVEL", help="The least that is logged; `info` has a line for each request."),
]


class FindingFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class PlanFormat(StrEnum):
    """How plans are printed."""

    TEXT = "text"
    MERMAID = "mermaid"
    JSON = "json"


def main() -> None:
    """Run the command. Exit status: 0 done, 1 findings in the config, 2 not to be started."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that knows only ASCII shows `?` for what it cannot, rather than a traceback.
        sys.stdout.reconfigure(errors="replace")
    if "" not in sys.path:
        # Functions that a config names may stand in the folder where the command is started; what is installed comes first.
        sys.path.append("")
    try:
        app(prog_name="gateway")
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except StartError as error:
        print(f"gateway: {error}", file=sys.stderr)
        sys.exit(2)


def find_config(config: Path | None) -> Path:
    """The config that is named, or the one that lies where it is looked for. Raises `StartError`."""
    if config:
        return config
    for file in CONFIG_FILES:
        if Path(file).exists():
            return Path(file)
    raise StartError(f"no config: name one with --config or GATEWAY_CONFIG, or have {' or '.join(CONFIG_FILES)} here")


def _show_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def _gateway(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fanin: one request in, many upstream APIs called at once, one answer out."""


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The config; else as with --config.")] = None,
    config: Config = None,
    endpoints: Endpoints = None,
    output: Annotated[FindingFormat, typer.Option("--format", help="How to print findings.")] = FindingFormat.TEXT,
) -> None:
    """Report every problem of a config at once.

    Example: gateway check config/gateway.yaml --format github
    """
    from gateway.cli.configs import report

    raise typer.Exit(report(find_config(file or config), endpoints or [], output.value))


@app.command()
def plan(
    endpoint: Annotated[str | None, typer.Argument(help="A path, as written or as called; else all endpoints.")] = None,
    config: Config = None,
    endpoints: Endpoints = None,
    output: Annotated[PlanFormat, typer.Option("--format", help="How to print the plan.")] = PlanFormat.TEXT,
) -> None:
    """Print what will run.

    Example: gateway plan /v1/home/42
    """
    from gateway.cli.configs import show_plans

    show_plans(find_config(config), endpoints or [], endpoint, output.value)


@app.command()
def routes(config: Config = None, endpoints: Endpoints = None) -> None:
    """List the endpoints, one a line.

    Example: gateway routes --config config/gateway.yaml
    """
    from gateway.cli.configs import show_routes

    show_routes(find_config(config), endpoints or [])


@app.command()
def schema() -> None:
    """Write the JSON Schema of configs, for editors.

    Example: gateway schema > gateway.schema.json
    """
    from gateway.cli.configs import show_schema

    show_schema()


@app.command()
def call(
    path: Annotated[str, typer.Argument(help="Path and query, as a client would send them.")],
    config: Config = None,
    endpoints: Endpoints = None,
    method: Annotated[str | None, typer.Option("--method", "-X", help="The method; else GET, or POST with --data.")] = None,
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="A header, `Name: value`; may be repeated.")] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", help="A JSON body.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show each part of the answer when it comes.")] = False,
    inject: Inject = False,
) -> None:
    """Make one request and show its waterfall.

    Needs no running gateway; the upstreams are called for real.

    Example: gateway call /v1/home/42
    """
    from gateway.cli.call import make_request, show_call

    request = make_request(method, path, header or [], data)
    raise typer.Exit(show_call(find_config(config), endpoints or [], request, in_parts=stream, inject=inject))


@app.command()
def serve(
    config: Config = None,
    endpoints: Endpoints = None,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    admin_host: AdminHost = "127.0.0.1",
    admin_port: AdminPort = None,
    workers: Annotated[int, typer.Option(envvar="GATEWAY_WORKERS", min=1, max=64, help="Processes that answer.")] = 1,
    journal: Journal = None,
    log_format: LogForm = None,
    log_level: LogAbove = LogLevel.WARNING,
    inject: Inject = False,
) -> None:
    """Serve the endpoints.

    Example: gateway serve --config config/gateway.yaml --port 8080 --workers 2
    """
    from gateway.cli.ports import Address
    from gateway.cli.serve import serve_config
    from gateway.logs import LogPolicy, usual_form

    admin, logs = Address(admin_host, admin_port), LogPolicy(log_format.value if log_format else usual_form(), log_level.value)
    serve_config(find_config(config), endpoints or [], host, port, admin, workers, journal, logs, inject=inject)


@app.command()
def demo(
    port: Port = 8080,
    admin_port: AdminPort = None,
    services_port: Annotated[
        int, typer.Option(envvar="GATEWAY_SERVICES_PORT", min=1, max=65532, help="First of the mock services' four ports.")
    ] = 9101,
    journal: Journal = None,
    once: Annotated[bool, typer.Option(envvar="ONCE", help="Leave after the first answer.")] = False,
) -> None:
    """Start the gateway with four mock services.

    Makes a first call, shows its answer and waterfall, and serves until Ctrl-C.

    Example: gateway demo --port 8090
    """
    from gateway.cli.demo import run_demo

    raise typer.Exit(run_demo(port, services_port, admin_port, journal=journal, once=once))


Admin = Annotated[
    str | None,
    typer.Option(
        "--admin", metavar="URL", envvar="GATEWAY_ADMIN_URL", help="The admin side to ask; else the one on this machine."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@app.command()
def trace(
    trace_id: Annotated[str, typer.Argument(help="As in the answer's Traceparent, or `last`.")] = "last",
    admin: Admin = None,
    as_json: Json = False,
) -> None:
    """Show a request that a running gateway has answered.

    Example: gateway trace 4bf92f3577b34da6a3ce929d0e0e4736
    """
    from gateway.cli.trace import show_kept

    raise typer.Exit(show_kept(trace_id, admin, as_json=as_json))


@app.command()
def top(admin: Admin = None) -> None:
    """Show what a running gateway does, until Ctrl-C.

    Example: gateway top
    """
    from gateway.cli.top import show_top

    raise typer.Exit(show_top(admin))


@cache.command()
def show(admin: Admin = None, as_json: Json = False) -> None:
    """Show what the cache of a running gateway has come to.

    Example: gateway cache show
    """
    from gateway.cli.cache import show_cache

    raise typer.Exit(show_cache(admin, as_json=as_json))


@cache.command()
def purge(
    key: Annotated[str | None, typer.Option(help="A key, as `show` and `Cache-Status` have it.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="An endpoint, as in `GET /v1/home/{user_id}`.")] = None,
    upstream: Annotated[str | None, typer.Option(help="An upstream.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag.")] = None,
    admin: Admin = None,
    as_json: Json = False,
) -> None:
    """Purge the cache of a running gateway, in all its processes.

    Example: gateway cache purge --tag user-42
    """
    from gateway.cli.cache import purge_cache

    named = {"key": key, "endpoint": endpoint, "upstream": upstream, "tag": tag}
    raise typer.Exit(purge_cache(admin, {kind: name for kind, name in named.items() if name is not None}, as_json=as_json))


@app.command()
def version() -> None:
    """Print the version.

    Example: gateway version
    """
    print(f"fanin {__version__}")
