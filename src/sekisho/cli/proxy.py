"""`proxy`: the listeners of the running server, and the certificate that they show."""

import os
import signal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import backgrounds, figures, inputs, tables
from sekisho.cli.failures import EXIT_INTERNAL, CommandError, usage
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console

    from sekisho.app.homes import Home

STOP_SECONDS: Final = 90
"""Longer than the drain of calls that still run."""

SERVED: Final = {"redirect": "HTTP, sent to HTTPS", "https": "HTTPS", "http": "HTTP"}
"""What a listener's scheme means, for people."""


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Start, stop and show listeners, and let them show a new certificate.")
    group.command("start")(start)
    group.command("stop")(stop)
    group.command("status")(status)
    group.command("reload")(reload)
    app.add_typer(group, name="proxy")


def start(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port.")],
    bind: Annotated[str, typer.Option("--bind", help="The address.")] = "127.0.0.1",
    name: Annotated[str | None, typer.Option("--name", help="A name to stop it by. Default: port-PORT.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="The tls.mode. A running server serves its own only.")] = None,
    https_port: Annotated[
        int | None, typer.Option("--https-port", min=1, max=65535, help="The port of TLS, where a server is started.")
    ] = None,
) -> None:
    """Take calls on one more port of the running server, or start one.

    Every worker serves it, by TLS where that is on, until it is stopped or the server is. Where no server runs, one is started in the
    background with this port as the gateway's.
    """
    invocation = of(context)
    home = invocation.home()
    if home.holder() is None:
        given = {"--port": port, "--host": bind, "--tls": mode, "--https-port": https_port}
        _start_server(invocation, home, [word for flag, value in given.items() if value is not None for word in (flag, str(value))])
        return
    if https_port is not None:
        raise usage("a server runs; a listener of its own speaks TLS on --port, where TLS is on: leave --https-port out")
    with invocation.node() as node:
        data = node.post("/api/proxy/listeners", {"port": port, "host": bind, **inputs.given(name=name, mode=mode)})
    data = {**data, "started": False, "plain_key": None}
    invocation.screen.result(
        data, lambda console: console.print(f"{figures.clean_line(data['name'])} listens on {_address(data)}, {_served(data)}")
    )
    invocation.screen.warn(data["warnings"])


def _start_server(invocation: Invocation, home: "Home", flags: list[str]) -> None:
    pid, key = backgrounds.start(home, flags, invocation.screen)
    with invocation.node() as node:
        listeners = node.get("/api/proxy")["listeners"]
    # The last of the gateway's is the one to call: HTTPS, where there is that.
    found = [each for each in listeners if each["door"] == "gateway"][-1]
    data = {**found, "warnings": [], "started": True, "pid": pid, "plain_key": key}

    def draw(console: "Console") -> None:
        console.print(f"started the server, pid {pid}; it listens on {_address(found)}, {_served(found)}")
        if key is not None:
            console.print("Copy the first key now; it is not shown again:")
            console.print(tables.styled(f"\n  {key}\n", "bold green"), soft_wrap=True)

    invocation.screen.result(data, draw)


def stop(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A listener's name. Default: all that proxy start started.")] = None,
) -> None:
    """Free the port of a listener that proxy start opened.

    Calls that came through it finish within the drain time. Without a name all of them are stopped, and the server too, where proxy
    start has started that.
    """
    invocation = of(context)
    home = invocation.home()
    pid = backgrounds.left_behind(home) if name is None else None
    if pid is not None:
        from sekisho.cli import client

        os.kill(pid, signal.SIGTERM)
        with invocation.screen.working(f"stopping pid {pid}, which finishes the calls that run"):
            ended = client.await_true(lambda: home.holder() is None, STOP_SECONDS)
        if not ended:
            raise CommandError("STOP_TIMEOUT", f"process {pid} still works after {STOP_SECONDS} s; see its log", EXIT_INTERNAL)
        data: dict[str, Any] = {"stopped": [], "server": pid, "warnings": []}
    else:
        data = _stop_listeners(invocation, name)
    invocation.screen.result(data, lambda console: console.print(_told(data)))
    invocation.screen.warn(data["warnings"])


def _stop_listeners(invocation: Invocation, name: str | None) -> dict[str, Any]:
    with invocation.node() as node:
        names = [name] if name is not None else [each["name"] for each in node.get("/api/proxy")["listeners"] if each["extra"]]
        stopped = [node.delete(f"/api/proxy/listeners/{inputs.segment(each)}") for each in names]
    return {
        "stopped": [each["name"] for each in stopped],
        "server": None,
        "warnings": [warning for each in stopped for warning in each.get("warnings") or []],
    }


def _told(data: dict[str, Any]) -> str:
    if data["server"] is not None:
        return f"stopped the server, pid {data['server']}"
    return f"stopped {figures.joined(data['stopped'])}; their ports are free" if data["stopped"] else "there was nothing to stop"


def status(context: typer.Context) -> None:
    """Show what listens, and how it is served."""
    invocation = of(context)
    with invocation.node() as node:
        data = node.get("/api/proxy")

    def draw(console: "Console") -> None:
        columns = (
            tables.Column("name", whole=True),
            tables.Column("address", whole=True),
            tables.Column("served", whole=True),
        )
        rows = [(figures.clean_line(each["name"]), _address(each), _served(each)) for each in data["listeners"]]
        console.print(tables.table(columns, rows, within=console.width))
        facts = [("mode", data["mode"]), ("certificate", data["certificate"]), ("root", data["root"])]
        console.print(tables.facts([(name, figures.clean_line(value)) for name, value in facts if value]))

    invocation.screen.result(data, draw)


def _address(listener: dict[str, Any]) -> str:
    host = figures.clean_line(listener["host"])
    return f"[{host}]:{listener['port']}" if ":" in host else f"{host}:{listener['port']}"


def _served(listener: dict[str, Any]) -> str:
    return SERVED.get(listener["scheme"], figures.clean_line(listener["scheme"]))


def reload(context: typer.Context) -> None:
    """Let the doors show the certificate that lies on disk now.

    Open connections go on. A certificate that does not fit its key is refused, and the one in force stays.
    """
    invocation = of(context)
    with invocation.node() as node:
        data: dict[str, Any] = node.post("/api/proxy/reload")
    invocation.screen.result(data, lambda console: console.print("the next handshakes show the certificate that lies on disk"))
