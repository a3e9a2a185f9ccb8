"""`usage`: what was used and what it cost, from the hourly sums."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, tables
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console


class Period(StrEnum):
    """How far back the report goes."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    ALL = "all"


class By(StrEnum):
    """What a row of the report stands for."""

    MODEL = "model"
    PROVIDER = "provider"
    KEY = "key"
    PROJECT = "project"
    USER = "user"
    HOUR = "hour"
    DAY = "day"


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("usage")(usage)


def usage(
    context: typer.Context,
    period: Annotated[Period, typer.Option("--period", help="How far back.")] = Period.WEEK,
    by: Annotated[By, typer.Option("--by", help="What each row stands for.")] = By.MODEL,
    project: Annotated[str | None, typer.Option("--project", help="Only calls with keys of this project.")] = None,
    tz: Annotated[str, typer.Option("--tz", help="By whose midnights days are told apart, such as Asia/Tokyo.")] = "UTC",
) -> None:
    """Report calls, tokens and cost."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.get("/api/usage", {"period": period.value, "by": by.value, "project": project, "tz": tz})

    def draw(console: "Console") -> None:
        from rich.text import Text

        if not data["rows"]:
            console.print(
                f"no calls in this period ({period.value}); look further back with --period all, or at single ones: sekisho calls list"
            )
            return
        columns = (
            tables.Column(by.value, whole=True),
            tables.Column("calls", right=True),
            tables.Column("failed", right=True),
            tables.Column("cancelled", right=True, spare=1),
            tables.Column("tokens in", right=True),
            tables.Column("of which cached", right=True, spare=2),
            tables.Column("tokens out", right=True),
            tables.Column("cost", right=True),
        )
        rows = [_row(row, str(row.get("label") or row.get("key"))) for row in data["rows"]]
        total = [each if isinstance(each, Text) else tables.styled(each, "bold") for each in _row(data["totals"], "total")]
        console.print(tables.table(columns, [*rows, total], within=console.width))
        unpriced = data["totals"].get("unpriced")
        if unpriced:
            console.print(tables.styled(f"{unpriced:,} calls went to models without a price; set one: sekisho models set-rate", "yellow"))

    invocation.screen.result(data, draw)


def _row(row: dict[str, Any], name: str) -> tuple[Any, ...]:
    failed = row.get("failed") or 0
    cancelled = row.get("cancelled") or 0
    return (
        figures.clean_line(name),
        figures.count(row.get("calls")),
        tables.styled(figures.count(failed), "red" if failed else "dim"),
        tables.styled(figures.count(cancelled), "yellow" if cancelled else "dim"),
        figures.count(row.get("input_tokens")),
        figures.count(row.get("cached_tokens")),
        figures.count(row.get("output_tokens")),
        _cost(row),
    )


def _cost(row: dict[str, Any]) -> str:
    """One amount, or one for each currency: two currencies are never added."""
    costs = row.get("costs")
    if isinstance(costs, list):
        return " + ".join(figures.money(each.get("cost"), each.get("currency")) for each in costs) or figures.NONE
    return figures.money(row.get("cost"), row.get("currency"))
