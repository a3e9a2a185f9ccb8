"""`calls`: the records of what went through the gateway, newest first."""

import shlex
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import figures, gateways, inputs, tables
from sekisho.cli.failures import CommandError
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sekisho.cli.client import Management

DEFAULT_LIMIT: Final = 50
MOST_AT_ONCE: Final = 1000
"""New calls that `tail` asks for in one request."""


class Status(StrEnum):
    """How a call ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


StatusOption = Annotated[Status | None, typer.Option("--status", help="Only calls that ended so.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="Only calls to this model (provider/model).")]
ProviderOption = Annotated[str | None, typer.Option("--provider", help="Only calls to this provider.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="Only calls with this key (its id).")]
ProjectOption = Annotated[str | None, typer.Option("--project", help="Only calls with keys of this project.")]
ErrorOption = Annotated[str | None, typer.Option("--error", help="Only calls that failed with this code, such as upstream_cut.")]
ApiOption = Annotated[str | None, typer.Option("--api", help="Only calls that named this API.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Only calls from then on: 24h ago, or a time such as 2026-01-31T09:00:00Z.")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only calls before then; written likewise.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Look at the records of calls.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("count")(count)
    group.command("tail")(tail)
    app.add_typer(group, name="calls")


def _query(
    invocation: Invocation,
    status: Status | None,
    model: str | None,
    provider: str | None,
    key: str | None,
    since: str | None,
    until: str | None,
    project: str | None,
    error: str | None,
    api: str | None,
) -> dict[str, str | int | None]:
    now = invocation.clock.now()
    return {
        "status": status.value if status else None,
        "model": model,
        "provider": provider,
        "key_id": key,
        "project": project,
        "error_code": error,
        "api": api,
        "since": inputs.moment(since, "--since", now),
        "until": inputs.moment(until, "--until", now),
    }


def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most calls to show.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended (its next_cursor).")] = None,
    status: StatusOption = None,
    model: ModelOption = None,
    provider: ProviderOption = None,
    key: KeyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    project: ProjectOption = None,
    error: ErrorOption = None,
    api: ApiOption = None,
) -> None:
    """List calls, newest first."""
    invocation = of(context)
    query = _query(invocation, status, model, provider, key, since, until, project, error, api)
    with invocation.management() as management:
        data = management.pages("/api/calls", "calls", limit, query, cursor)
        hint = _first_steps(management) if invocation.screen.is_text and not data["calls"] else ""
    filtered = cursor is not None or any(value is not None for value in query.values())

    def draw(console: "Console") -> None:
        if data["calls"]:
            console.print(_table(data["calls"], invocation.clock.now(), console.width))
        elif filtered:
            console.print("no calls match; leave out a filter to see more")
        else:
            console.print(hint, soft_wrap=True)

    invocation.screen.result(data, draw)
    if data["next_cursor"]:
        invocation.screen.note(f"older ones: add --cursor {data['next_cursor']}", style="dim")


def _first_steps(management: "Management") -> str:
    """What to do where nothing was called yet; the address is that of the running gateway."""
    if management.in_process:
        return "no calls yet; start the server:  sekisho serve"
    gateway = gateways.find(management)
    trust = f"--cacert {shlex.quote(gateway.root)} " if gateway.root else ""
    return (
        "no calls yet; make a key with  sekisho api-keys create --label my-app  and try:\n"
        f'  curl {trust}{gateway.url}/v1/chat/completions -H "Authorization: Bearer $SEKISHO_API_KEY" \\\n'
        '    -d \'{"model":"sandbox/echo","messages":[{"role":"user","content":"hello"}]}\''
    )


def _http_status(call: dict[str, Any]) -> "Text":
    status = int(call.get("http_status") or 0)
    return tables.styled(str(status or figures.NONE), "green" if 200 <= status < 300 else "yellow" if status < 500 else "red")


def _table(calls: Iterable[dict[str, Any]], now: int, within: int) -> "Table":
    columns = (
        tables.Column("when", right=True, style="dim"),
        tables.Column("status", whole=True),
        tables.Column("http", right=True),
        tables.Column("model"),
        tables.Column("key", spare=4),
        tables.Column("in", right=True, spare=2),
        tables.Column("out", right=True, spare=1),
        tables.Column("cost", right=True, spare=3),
        tables.Column("first byte", right=True, spare=5),
        tables.Column("took", right=True),
        tables.Column("id", whole=True, style="dim"),
    )
    rows = [
        (
            figures.relative(call.get("started_at"), now),
            tables.state(call.get("status")),
            _http_status(call),
            figures.clean_line(call.get("model")),
            figures.clean_line(call.get("key_label") or call.get("key_id")),
            _tokens(call, "input_tokens"),
            _tokens(call, "output_tokens"),
            figures.money(call.get("cost"), call.get("currency")),
            figures.duration_ms(call.get("ttfb_ms")),
            figures.duration_ms(call.get("duration_ms")),
            figures.clean_line(call.get("id")),
        )
        for call in calls
    ]
    return tables.table(columns, rows, within=within)


def _tokens(call: dict[str, Any], name: str) -> str:
    """A count of tokens; estimated ones carry a tilde, unknown ones are a dash."""
    source = call.get("usage_source")
    if source == "unknown":
        return figures.NONE
    return ("~" if source == "estimated" else "") + figures.count(call.get(name))


def show(context: typer.Context, call: Annotated[str, typer.Argument(metavar="ID", help="The call's id or its request id.")]) -> None:
    """Show one call whole.

    Who, what, how long each stage took, what it cost and why it failed.
    """
    invocation = of(context)
    with invocation.management() as management:
        data = management.get(f"/api/calls/{inputs.segment(call)}")
    invocation.screen.result(data, lambda console: _draw(console, data, invocation.clock.now()))


def _draw(console: "Console", call: dict[str, Any], now: int) -> None:
    facts: list[tuple[str, str | Text]] = [
        ("id", figures.clean_line(call.get("id"))),
        ("request id", figures.clean_line(call.get("request_id"))),
        ("started", f"{figures.moment(call.get('started_at'))} ({figures.relative(call.get('started_at'), now)})"),
        ("status", tables.state(call.get("status"))),
        ("http", _http_status(call)),
        ("request", figures.clean_line(f"{call.get('method')} {call.get('path')}{'  (stream)' if call.get('stream') else ''}")),
        ("from", figures.clean_line(call.get("address"))),
        ("key", figures.clean_line(f"{call.get('key_label') or ''} {call.get('key_id') or ''}".strip())),
        ("project", figures.clean_line(call.get("project"))),
        ("model", figures.clean_line(call.get("model"))),
        ("provider", figures.clean_line(f"{call.get('provider')} as {call.get('upstream_model')}")),
        ("attempts", figures.count(call.get("attempts"))),
        ("upstream status", figures.clean_line(call.get("upstream_status") or None)),
        ("tokens", _token_words(call)),
        ("cost", figures.money(call.get("cost"), call.get("currency"))),
        ("bytes", f"{figures.size(call.get('bytes_in'))} in, {figures.size(call.get('bytes_out'))} out"),
        ("first byte", figures.duration_ms(call.get("ttfb_ms"))),
        ("took", figures.duration_ms(call.get("duration_ms"))),
        ("finished", figures.clean_line(call.get("finish_reason"))),
    ]
    if error := call.get("error"):
        facts.append(("error", tables.styled(figures.clean_line(f"{error.get('code')}: {error.get('message')}"), "red")))
    console.print(tables.facts(facts))
    if stages := call.get("stages"):
        console.print()
        rows = [(figures.clean_line(name.removesuffix("_us")), figures.duration_ms(int(value) / 1000)) for name, value in stages.items()]
        console.print(tables.table((tables.Column("stage"), tables.Column("time", right=True)), rows, within=console.width))


def _token_words(call: dict[str, Any]) -> str:
    if call.get("usage_source") == "unknown":
        return "unknown (the provider did not tell)"
    words = [f"{_tokens(call, 'input_tokens')} in"]
    if call.get("cached_tokens"):
        words.append(f"of which {figures.count(call['cached_tokens'])} cached")
    words.append(f"{_tokens(call, 'output_tokens')} out")
    if call.get("reasoning_tokens"):
        words.append(f"of which {figures.count(call['reasoning_tokens'])} reasoning")
    return ", ".join(words) + (" (estimated)" if call.get("usage_source") == "estimated" else "")


def count(
    context: typer.Context,
    status: StatusOption = None,
    model: ModelOption = None,
    provider: ProviderOption = None,
    key: KeyOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    project: ProjectOption = None,
    error: ErrorOption = None,
    api: ApiOption = None,
) -> None:
    """Count calls."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.get("/api/calls/count", _query(invocation, status, model, provider, key, since, until, project, error, api))
    invocation.screen.result(data, lambda console: console.print(figures.count(data["count"])))


def tail(
    context: typer.Context,
    last: Annotated[int, typer.Option("--last", min=0, max=1000, help="Begin with so many of the latest calls.")] = 10,
    interval: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between two looks.")] = 1.0,
    status: StatusOption = None,
    model: ModelOption = None,
    provider: ProviderOption = None,
    key: KeyOption = None,
    project: ProjectOption = None,
    error: ErrorOption = None,
    api: ApiOption = None,
) -> None:
    """Show calls as they are recorded, until Ctrl-C.

    Oldest first. In JSON each is a line of its own.
    """
    invocation = of(context)
    query = _query(invocation, status, model, provider, key, None, None, project, error, api)
    try:
        with invocation.node() as node:
            cursor = node.get("/api/calls", {**query, "after": "now"})["next_cursor"]
            shown = node.pages("/api/calls", "calls", last, query)["calls"][::-1] if last else []
        for call in shown:
            _print_line(invocation, call)
        known = {call["id"] for call in shown}
        while True:
            with invocation.node() as node:
                cursor = _follow(invocation, node, query, cursor, known, interval)
            invocation.screen.note("the node went away; waiting for it to come back", style="yellow")
    except KeyboardInterrupt:
        return


def _follow(invocation: Invocation, node: "Management", query: dict[str, Any], cursor: str, known: set[str], interval: float) -> str:
    """Print what is recorded after the cursor for as long as the node answers; returns where to go on. `known` were printed before."""
    while True:
        try:
            page = node.get("/api/calls", {**query, "after": cursor, "limit": MOST_AT_ONCE})
        except CommandError as failure:
            if failure.code != "NODE_UNREACHABLE":
                raise
            return cursor
        for call in page["calls"]:
            if call["id"] not in known:
                _print_line(invocation, call)
        cursor = page["next_cursor"]
        if len(page["calls"]) < MOST_AT_ONCE:
            time.sleep(interval)


def _print_line(invocation: Invocation, call: dict[str, Any]) -> None:
    """One call on one line, in columns that do not depend on the others."""
    from rich.text import Text

    def draw(console: "Console") -> None:
        console.print(
            Text.assemble(
                (figures.moment(call.get("started_at"))[11:19], "dim"),
                "  ",
                (f"{call.get('status', ''):<9}", tables.STYLES.get(str(call.get("status")), "")),
                "  ",
                _http_status(call),
                f"  {figures.clean_line(call.get('model')):<32}",
                f"  {_tokens(call, 'input_tokens'):>7} in {_tokens(call, 'output_tokens'):>7} out",
                f"  {figures.money(call.get('cost'), call.get('currency')):>10}",
                f"  {figures.duration_ms(call.get('duration_ms')):>9}",
                (f"  {figures.clean_line(call.get('id'))}", "dim"),
                (f"  {figures.clean_line(call['error'].get('code'))}", "red") if call.get("error") else "",
            ),
            soft_wrap=True,
        )

    invocation.screen.line(call, draw)
