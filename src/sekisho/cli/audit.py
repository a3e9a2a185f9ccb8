"""`audit`: who changed what. It is read and exported here; whether it is whole is asked by `check --audit`."""

import json
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import figures, files, inputs, tables
from sekisho.cli.client import LONG_SECONDS
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

DEFAULT_LIMIT: Final = 50


class Form(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"


ActorOption = Annotated[str | None, typer.Option("--actor", help="Only what this person did (name or user id).")]
ActionOption = Annotated[str | None, typer.Option("--action", help="Only this act (key.created), or all acts on a noun (key).")]
KindOption = Annotated[str | None, typer.Option("--kind", help="Only what was done to such things: key, provider, user, ...")]
ObjectOption = Annotated[str | None, typer.Option("--object", help="Only what was done to the thing of this id.")]
ProjectOption = Annotated[str | None, typer.Option("--project", help="Only what belongs to this project.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="Only from then on: 24h ago, or a time such as 2026-01-31T09:00:00Z.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only before then; written likewise.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Who changed what: read it, export it.")
    group.command("list")(list_)
    group.command("export")(export)
    app.add_typer(group, name="audit")


def _query(
    invocation: Invocation,
    actor: str | None,
    action: str | None,
    kind: str | None,
    object_id: str | None,
    project: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, str | int | None]:
    now = invocation.clock.now()
    return {
        "actor": actor,
        "action": action,
        "object_kind": kind,
        "object_id": object_id,
        "project": project,
        "since": inputs.moment(since, "--since", now),
        "until": inputs.moment(until, "--until", now),
    }


def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows to show.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended (its next_cursor).")] = None,
    actor: ActorOption = None,
    action: ActionOption = None,
    kind: KindOption = None,
    object_id: ObjectOption = None,
    project: ProjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """List who changed what, newest first."""
    invocation = of(context)
    query = _query(invocation, actor, action, kind, object_id, project, since, until)
    with invocation.management() as management:
        data = management.pages("/api/audit", "rows", limit, query, cursor)

    def draw(console: "Console") -> None:
        if data["rows"]:
            console.print(_table(data["rows"], invocation.clock.now(), console.width))
        elif any(value is not None for value in (cursor, *query.values())):
            console.print("no rows match; leave out a filter to see more")
        else:
            console.print("nothing was changed yet")

    invocation.screen.result(data, draw)
    if data["next_cursor"]:
        invocation.screen.note(f"older ones: add --cursor {data['next_cursor']}", style="dim")


def _table(rows: list[dict[str, Any]], now: int, within: int) -> "Table":
    columns = (
        tables.Column("row", right=True, style="dim"),
        tables.Column("when", right=True, style="dim"),
        tables.Column("who"),
        tables.Column("from", spare=3),
        tables.Column("act", whole=True),
        tables.Column("what", whole=True),
        tables.Column("project", spare=4),
        tables.Column("before", spare=2),
        tables.Column("after", spare=1),
    )
    cells = [
        (
            figures.count(row["seq"]),
            figures.relative(row["at"], now),
            figures.clean_line(row["actor"]),
            figures.clean_line(row["address"]),
            figures.clean_line(row["action"]),
            figures.clean_line(f"{row['object_kind']} {row['object_id']}"),
            figures.clean_line(row["project"]),
            _state(row["before"]),
            _state(row["after"]),
        )
        for row in rows
    ]
    return tables.table(columns, cells, within=within)


def _state(values: dict[str, Any] | None) -> str:
    if values is None:
        return figures.NONE
    return figures.clean_line(", ".join(f"{name}: {_word(value)}" for name, value in values.items()) or figures.NONE)


def _word(value: Any) -> str:
    """A value as people read it; what is no text, as JSON spells it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def export(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", help="A new file. Default: the standard output.")] = None,
    form: Annotated[Form, typer.Option("--as", help="How it is written.")] = Form.CSV,
    actor: ActorOption = None,
    action: ActionOption = None,
    kind: KindOption = None,
    object_id: ObjectOption = None,
    project: ProjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """Export who changed what, oldest first, as CSV or as one JSON object per line."""
    invocation = of(context)
    query = {**_query(invocation, actor, action, kind, object_id, project, since, until), "format": form.value}
    path = None if output is None else output.expanduser().absolute()
    with (
        files.new_file(path) if path is not None else nullcontext(invocation.screen.raw) as write,
        invocation.management() as management,
        invocation.screen.advancing("exporting the audit") as tell,
    ):
        rows = management.download("/api/audit/export", query, write, tell, seconds=LONG_SECONDS)
    if path is not None:
        data = {"path": str(path), "rows": rows}
        invocation.screen.result(data, lambda console: console.print(f"{figures.count(rows)} rows are in {path}", soft_wrap=True))
