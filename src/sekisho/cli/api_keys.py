"""`api-keys`: the secrets by which clients call the gateway. The plain key is shown once, when it is made."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, inputs, tables
from sekisho.cli.failures import usage
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console

    from sekisho.cli.screens import Screen


class State(StrEnum):
    """How a key is."""

    ACTIVE = "active"
    SOON = "soon"
    DISABLED = "disabled"
    EXPIRED = "expired"
    REVOKED = "revoked"


Id = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as api-keys list shows it.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Make, list, change, revoke and rotate the keys of clients.")
    group.command("create")(create)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("update")(update)
    group.command("revoke")(revoke)
    group.command("rotate")(rotate)
    app.add_typer(group, name="api-keys")


def create(
    context: typer.Context,
    label: Annotated[str, typer.Option("--label", help="A name by which people know the key.")],
    project: Annotated[str | None, typer.Option("--project", help="Whose key it is. Default: default.")] = None,
    rpm: Annotated[int | None, typer.Option("--rpm", min=1, help="Requests per minute. Default: no limit.")] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens per minute. Default: no limit.")] = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", min=1, help="Calls at the same time. Default: no limit.")] = None,
    models: Annotated[
        str | None, typer.Option("--models", help="Models and APIs it may call, with commas: up/gpt-x,local/*,helper. Default: all.")
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="Lifetime, such as 30d, 12h or 15m. Default: for ever.")] = None,
) -> None:
    """Make a key and show it, once.

    It works when the command returns.
    """
    invocation = of(context)
    names = inputs.words(models)
    if names == []:
        raise usage("--models names no model; leave it out to allow all, or write such as: --models sandbox/echo,up/*")
    body = {"label": label, **inputs.given(project=project, rpm=rpm, tpm=tpm, concurrency=concurrency, models=names)}
    if expires is not None:
        body["expires_in_s"] = inputs.seconds(expires, "--expires")
    with invocation.management() as management:
        data = management.post("/api/keys", body)
    invocation.screen.result(data, lambda console: _draw_secret(console, data))
    invocation.screen.warn(data.get("warnings") or [])


def rotate(
    context: typer.Context,
    key: Id,
    overlap: Annotated[
        str | None, typer.Option("--overlap", help="How long the old secret goes on, such as 24h. Default: it dies at once.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="A new name.")] = None,
) -> None:
    """Give a key a new secret and show it, once.

    The id, the limits and the history stay.
    """
    invocation = of(context)
    body = inputs.given(overlap_s=inputs.seconds(overlap, "--overlap"), label=label)
    with invocation.management() as management:
        data = management.post(f"/api/keys/{inputs.segment(key)}/rotate", body)
    invocation.screen.result(data, lambda console: _draw_secret(console, data))
    invocation.screen.warn(data.get("warnings") or [])


def _draw_secret(console: "Console", data: dict[str, Any]) -> None:
    console.print("Copy the key now; it is not shown again:")
    console.print(tables.styled(f"\n  {figures.clean_line(data['plain_key'])}\n", "bold green"), soft_wrap=True)
    facts = [("id", figures.clean_line(data["id"])), ("label", figures.clean_line(data.get("label")))]
    if data.get("models"):
        facts.append(("models", figures.joined(data["models"])))
    if data.get("expires_at"):
        facts.append(("expires", figures.moment(data["expires_at"])))
    if data.get("overlap_until"):
        facts.append(("old secret until", figures.moment(data["overlap_until"])))
    console.print(tables.facts(facts))


def list_(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Most keys to show. Default: all.")] = None,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended (its next_cursor).")] = None,
    project: Annotated[str | None, typer.Option("--project", help="Only keys of this project.")] = None,
    state: Annotated[State | None, typer.Option("--state", help="Only keys that are so; soon: they end within ten days.")] = None,
    search: Annotated[str | None, typer.Option("--search", help="Only keys whose label has this in it, or whose id begins so.")] = None,
) -> None:
    """List the keys.

    The secrets are not shown: nobody has them but their holders.
    """
    invocation = of(context)
    with invocation.management() as management:
        query: dict[str, str | int | None] = {"project": project, "state": state.value if state else None, "q": search}
        data = management.pages("/api/keys", "api_keys", limit, query, cursor)
    now = invocation.clock.now()

    def draw(console: "Console") -> None:
        if not data["api_keys"] and (project or state or search):
            console.print("no keys match; leave out a filter to see more")
            return
        if not data["api_keys"]:
            console.print("no keys yet; make the first one:  sekisho api-keys create --label my-app")
            return
        columns = (
            tables.Column("id", whole=True),
            tables.Column("label"),
            tables.Column("state", whole=True),
            tables.Column("models", spare=1),
            tables.Column("rpm", right=True, spare=2),
            tables.Column("tpm", right=True, spare=3),
            tables.Column("at once", right=True, spare=4),
            tables.Column("created", right=True, spare=5),
            tables.Column("expires", right=True),
        )
        rows = [
            (
                figures.clean_line(key["id"]),
                figures.clean_line(key.get("label")),
                tables.state(key.get("state")),
                figures.joined(key.get("models"), "all"),
                figures.limit(key.get("rpm")),
                figures.limit(key.get("tpm")),
                figures.limit(key.get("concurrency")),
                figures.relative(key.get("created_at"), now),
                figures.relative(key.get("expires_at"), now),
            )
            for key in data["api_keys"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)
    _tell_of_more(invocation.screen, data)


def _tell_of_more(screen: "Screen", data: dict[str, Any]) -> None:
    if data.get("next_cursor"):
        screen.note(f"more: add --cursor {data['next_cursor']}", style="dim")


def show(context: typer.Context, key: Id) -> None:
    """Show one key: its limits, models and times."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.get(f"/api/keys/{inputs.segment(key)}")
    now = invocation.clock.now()

    def draw(console: "Console") -> None:
        console.print(
            tables.facts(
                [
                    ("id", figures.clean_line(data["id"])),
                    ("label", figures.clean_line(data.get("label"))),
                    ("state", tables.state(data.get("state"))),
                    ("project", figures.clean_line(data.get("project"))),
                    ("models", figures.joined(data.get("models"), "all")),
                    ("requests per minute", figures.limit(data.get("rpm"))),
                    ("tokens per minute", figures.limit(data.get("tpm"))),
                    ("calls at once", figures.limit(data.get("concurrency"))),
                    ("created", f"{figures.moment(data.get('created_at'))} ({figures.relative(data.get('created_at'), now)})"),
                    ("expires", figures.moment(data.get("expires_at")) if data.get("expires_at") else "never"),
                    ("last used", figures.moment(data["last_used_at"]) if data.get("last_used_at") else "never"),
                    *([("switched off", figures.moment(data["disabled_at"]))] if data.get("disabled_at") else []),
                    *([("revoked", figures.moment(data["revoked_at"]))] if data.get("revoked_at") else []),
                ]
            )
        )

    invocation.screen.result(data, draw)


def update(
    context: typer.Context,
    key: Id,
    label: Annotated[str | None, typer.Option("--label", help="A new name.")] = None,
    rpm: Annotated[int | None, typer.Option("--rpm", min=0, help="Requests per minute; 0: no limit.")] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", min=0, help="Tokens per minute; 0: no limit.")] = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", min=0, help="Calls at the same time; 0: no limit.")] = None,
    models: Annotated[str | None, typer.Option("--models", help="Models it may use, with commas; all: every one.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="Lifetime from now, such as 30d; never: without end.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Switch it on, or off until it is switched on again.")] = None,
) -> None:
    """Change a key; its secret stays.

    The change is in force when the command returns.
    """
    invocation = of(context)
    body: dict[str, Any] = inputs.given(label=label, enabled=enabled)
    body |= {name: value or None for name, value in inputs.given(rpm=rpm, tpm=tpm, concurrency=concurrency).items()}
    if models is not None:
        body["models"] = None if models == "all" else inputs.words(models)
    if expires is not None:
        body["expires_at"] = None if expires == "never" else inputs.ahead(expires, "--expires", invocation.clock.now())
    if not body:
        raise usage("nothing to change; name it, such as: --rpm 60")
    with invocation.management() as management:
        data = management.patch(f"/api/keys/{inputs.segment(key)}", body)
    invocation.screen.result(data, lambda console: console.print(f"changed {figures.clean_line(data['id'])}; it is {data['state']}"))
    invocation.screen.warn(data.get("warnings") or [])


def revoke(context: typer.Context, key: Id) -> None:
    """End a key.

    It is dead in every worker when the command returns.
    """
    invocation = of(context)
    with invocation.management() as management:
        data = management.post(f"/api/keys/{inputs.segment(key)}/revoke")
    invocation.screen.result(
        data, lambda console: console.print(f"revoked {figures.clean_line(data['id'])}; calls with it are refused from now on")
    )
    invocation.screen.warn(data.get("warnings") or [])
