"""`check` and `doctor`: is what is stored whole, and is what surrounds us sound?"""

from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

import typer

from sekisho.cli import figures, tables
from sekisho.cli.client import LONG_SECONDS
from sekisho.cli.failures import EXIT_USER
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console

LEVELS: Final = {"error": "bold red", "warning": "yellow", "hint": "cyan", "ok": "green"}
"""The colour of a finding's level."""


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("check")(check)
    app.command("doctor")(doctor)


def check(
    context: typer.Context,
    audit: Annotated[bool, typer.Option("--audit", help="Only the audit: was any row edited, removed, added or moved?")] = False,
    anchor: Annotated[
        list[str] | None,
        typer.Option("--anchor", help="With --audit: a <row>:<hash> that was noted down, which the chain has to pass. May be repeated."),
    ] = None,
) -> None:
    """Check that what is stored is whole.

    Exits with 1 where something is wrong.
    """
    invocation = of(context)
    if audit or anchor:
        _check_audit(invocation, anchor or [])
        return
    with invocation.management() as management, invocation.screen.working("checking"):
        data = management.get("/api/check", seconds=LONG_SECONDS)

    def draw(console: "Console") -> None:
        rows = [
            (
                tables.styled("✓", "green") if each["ok"] else tables.styled("✗", "bold red"),
                figures.clean_line(each["name"]),
                figures.clean_line(each.get("detail")),
            )
            for each in data["checks"]
        ]
        console.print(
            tables.table(
                (tables.Column(""), tables.Column("check", whole=True), tables.Column("finding", whole=True)), rows, within=console.width
            )
        )
        console.print(
            tables.styled("all is well", "bold green") if data["ok"] else tables.styled("something is wrong; see above", "bold red")
        )

    invocation.screen.result(data, draw)
    if not data["ok"]:
        raise typer.Exit(EXIT_USER)


def _check_audit(invocation: Invocation, anchors: list[str]) -> None:
    path = "/api/audit/check" + ("?" + urlencode([("anchor", each) for each in anchors]) if anchors else "")
    with invocation.management() as management, invocation.screen.working("checking the audit"):
        data = management.get(path, seconds=LONG_SECONDS)

    def draw(console: "Console") -> None:
        if fault := data["fault"]:
            console.print(tables.styled(f"✗ row {fault['seq']}: {figures.clean_line(fault['reason'])}", "bold red"), soft_wrap=True)
            console.print(f"the {figures.count(data['rows'])} rows before it are as they were written", soft_wrap=True)
        else:
            console.print(tables.styled(f"✓ {figures.count(data['rows'])} rows, each as it was written", "bold green"))
        console.print(f"anchor: {data['anchor']}", soft_wrap=True)

    invocation.screen.result(data, draw)
    if not data["ok"]:
        raise typer.Exit(EXIT_USER)


def doctor(context: typer.Context) -> None:
    """Look for what could go wrong here, and say how to mend it.

    Exits with 1 where there is an error; warnings alone leave it at 0.
    """
    invocation = of(context)
    with invocation.management() as management, invocation.screen.working("looking around"):
        data = management.get("/api/doctor")

    def draw(console: "Console") -> None:
        for each in data["findings"]:
            level = str(each.get("level"))
            console.print(tables.styled(f"{figures.clean_line(level):<8}", LEVELS.get(level, "")), end="", soft_wrap=True)
            console.print(f"{figures.clean_line(each.get('name'))}: {figures.clean_line(each.get('message'))}", soft_wrap=True)
            if each.get("remedy"):
                console.print(tables.styled(f"        {figures.clean_line(each['remedy'])}", "dim"), soft_wrap=True)
        console.print(
            tables.styled("nothing stands in the way", "bold green") if data["ok"] else tables.styled("mend the errors above", "bold red")
        )

    invocation.screen.result(data, draw)
    if not data["ok"]:
        raise typer.Exit(EXIT_USER)
