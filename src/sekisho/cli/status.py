"""`status`, `stop`, `reload`: the running server as one thing. None of them starts anything."""

import os
import signal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import figures, tables
from sekisho.cli.failures import EXIT_INTERNAL, CommandError, not_running
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STOP_SECONDS: Final = 90
"""How long `stop` waits: longer than the drain of calls that still run."""

LAG_SECONDS: Final = 5.0
"""From here on the lag of the records is shown in yellow."""


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("stop")(stop)
    app.command("reload")(reload)


def status(context: typer.Context) -> None:
    """Show the running server: processes, ports, revision, records, engines."""
    invocation = of(context)
    with invocation.node() as node:
        data = node.get("/api/status")
    now = invocation.clock.now()

    def draw(console: "Console") -> None:
        ports = data.get("ports") or {}
        lag = float(data.get("journal_lag_s") or 0)
        console.print(tables.styled("● running", "bold green"))
        console.print(
            tables.facts(
                [
                    ("version", figures.clean_line(data.get("version"))),
                    ("home", figures.clean_line(data.get("home"))),
                    ("started", f"{figures.moment(data.get('started_at'))} ({figures.relative(data.get('started_at'), now)})"),
                    *((f"{name} port", str(number)) for name, number in ports.items()),
                    ("supervisor", f"pid {data.get('supervisor')}"),
                    ("node", f"pid {data.get('node')}"),
                    ("workers", ", ".join(f"pid {pid}" for pid in data.get("workers") or ()) or tables.styled("none", "bold red")),
                    ("revision", figures.count(data.get("revision"))),
                    *_outage(data.get("outage"), data.get("sealed_copy_trouble")),
                    ("journal lag", tables.styled(f"{lag:.1f} s", "yellow" if lag > LAG_SECONDS else "")),
                    *_set_aside(int(data.get("journal_set_aside") or 0)),
                    *_room(int(data.get("journals_full") or 0), int(data.get("journal_dropped") or 0)),
                    *(("engine", _engine(each)) for each in data.get("engines") or ()),
                    ("database", figures.clean_line(data.get("database"))),
                ]
            )
        )

    invocation.screen.result(data, draw)


def _outage(outage: dict[str, Any] | None, copy_trouble: str | None) -> list[tuple[str, "Text"]]:
    told = []
    if outage:
        copy = outage.get("sealed_copy")
        if copy:
            runs_on = f"revision {figures.count(copy.get('revision'))} of {figures.moment(copy.get('written_at'))}"
            told.append(("sealed copy", tables.styled(f"stands in for the database: {runs_on}", "bold yellow")))
        told.append(("outage", tables.styled(figures.clean_line(outage.get("reason")), "bold red")))
    if copy_trouble:
        told.append(("sealed copy", tables.styled(figures.clean_line(copy_trouble), "yellow")))
    return told


def _set_aside(files: int) -> list[tuple[str, "Text"]]:
    return [("set aside", tables.styled(f"{figures.count(files)} files of the journal; see: sekisho doctor", "bold red"))] if files else []


def _room(full: int, dropped: int) -> list[tuple[str, "Text"]]:
    told = []
    if full:
        told.append(("journal full", tables.styled(f"workers: {figures.count(full)}; make room on the disk of the home", "bold red")))
    if dropped:
        told.append(("not recorded", tables.styled(f"{figures.count(dropped)} records found no room in a journal", "bold red")))
    return told


def _engine(state: dict[str, Any]) -> str:
    told = f"{figures.clean_line(state.get('model'))} {figures.clean_line(state.get('state'))}"
    if state.get("pid"):
        told += f", pid {state['pid']}"
    if state.get("last_error"):
        told += f" ({figures.clean_line(state['last_error'])})"
    return told


def stop(
    context: typer.Context,
    timeout: Annotated[int, typer.Option("--timeout", min=1, help="Seconds to wait for calls that still run.")] = STOP_SECONDS,
) -> None:
    """Stop the server.

    It takes no new calls, finishes those that run, and ends; the command returns when it has ended.
    """
    from sekisho.cli import client

    invocation = of(context)
    home = invocation.home()
    pid = home.holder()
    if pid is None:
        raise not_running(home.path)
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError:
        raise CommandError("NOT_PERMITTED", f"process {pid} belongs to another user; run this as the user who started it") from None
    except ProcessLookupError:
        pass  # The supervisor is gone; its node holds the lock for a moment longer and ends by itself.
    with invocation.screen.working(f"stopping pid {pid}, which finishes the calls that run"):
        ended = client.await_true(lambda: home.holder() is None, timeout)
    if not ended:
        raise CommandError(
            "STOP_TIMEOUT", f"process {pid} still works after {timeout} s; wait with a longer --timeout, or see its log", EXIT_INTERNAL
        )
    invocation.screen.result({"stopped": True, "pid": pid}, lambda console: console.print(f"stopped pid {pid}"))


def reload(context: typer.Context) -> None:
    """Let the running server read its settings again; open calls go on."""
    invocation = of(context)
    with invocation.node() as node:
        data: dict[str, Any] = node.post("/api/system/reload")
    invocation.screen.result(data, lambda console: console.print("the server reads its settings again; its log says what changed"))
