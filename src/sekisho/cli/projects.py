"""`projects`: teams, who belongs to them, and what they are called. Keys and usage belong to projects."""

import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, inputs, people, tables
from sekisho.cli.failures import usage
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console


class Parts(enum.StrEnum):
    """What a member may be."""

    MAINTAINER = "maintainer"
    EDITOR = "editor"
    VIEWER = "viewer"


Name = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name or id.")]
Who = Annotated[str, typer.Argument(metavar="USER", help="The e-mail address, or the id as users list shows it.")]
Part = Annotated[Parts, typer.Option("--role", help="maintainer looks after it, editor makes keys, viewer looks.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Make and change projects, and say who belongs to them.")
    group.command("create")(create)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("update")(update)
    group.command("delete")(delete)
    group.command("members")(members)
    group.command("add-member")(add_member)
    group.command("set-member")(set_member)
    group.command("remove-member")(remove_member)
    app.add_typer(group, name="projects")


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A short name in small letters. It never changes and is never used again.")],
    title: Annotated[str | None, typer.Option("--title", help="What people read. Default: the name.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
) -> None:
    """Make a project."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.post("/api/projects", {"name": name, **inputs.given(title=title, description=description)})
    invocation.screen.result(data, lambda console: console.print(f"made the project {figures.clean_line(data['name'])}"))


def list_(
    context: typer.Context,
    archived: Annotated[bool | None, typer.Option("--archived/--live", help="Only those in the archive, or only the others.")] = None,
    query: Annotated[str | None, typer.Option("--query", help="Part of the name or title.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Most projects to show. Default: all.")] = None,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended (its next_cursor).")] = None,
) -> None:
    """List the projects by name."""
    invocation = of(context)
    asked = {"archived": None if archived is None else str(archived).lower(), "q": query}
    with invocation.management() as management:
        data = management.pages("/api/projects", "projects", limit, asked, cursor=cursor)

    def draw(console: "Console") -> None:
        columns = (
            tables.Column("name", whole=True),
            tables.Column("title", spare=1),
            tables.Column("members", right=True),
            tables.Column("live keys", right=True),
            tables.Column("state", whole=True),
            tables.Column("id", whole=True, spare=2),
        )
        rows = [
            (
                figures.clean_line(each["name"]),
                figures.clean_line(each["title"]),
                figures.count(each["members"]),
                figures.count(each["live_keys"]),
                tables.state("archived" if each["archived"] else "active"),
                figures.clean_line(each["id"]),
            )
            for each in data["projects"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)
    if data.get("next_cursor"):
        invocation.screen.note(f"more: add --cursor {data['next_cursor']}", style="dim")


def show(context: typer.Context, name: Name) -> None:
    """Show one project."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.get(f"/api/projects/{inputs.segment(name)}")
    invocation.screen.result(data, lambda console: _draw(console, data, invocation.clock.now()))


def update(
    context: typer.Context,
    name: Name,
    title: Annotated[str | None, typer.Option("--title", help="What people read.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    archived: Annotated[bool | None, typer.Option("--archive/--restore", help="Put it away, or take it out again.")] = None,
) -> None:
    """Change a project; what is not named stays as it is.

    An archived project takes no new keys and members; one with live keys is not archived.
    """
    invocation = of(context)
    changed = inputs.given(title=title, description=description, archived=archived)
    if not changed:
        raise usage("nothing to change; name it, such as: --title 'Team Alpha'")
    path = f"/api/projects/{inputs.segment(name)}"
    with invocation.management() as management:
        before = management.get(path)
        kept = {field: before[field] for field in ("title", "description", "archived")}
        data = management.put(path, {**kept, **changed})

    def draw(console: "Console") -> None:
        console.print(tables.styled(f"changed {figures.clean_line(data['name'])}", "bold green"))
        _draw(console, data, invocation.clock.now())

    invocation.screen.result(data, draw)


def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a project that has no live key.

    The records of its calls stay, and its name is not used again.
    """
    invocation = of(context)
    if invocation.asks:
        invocation.confirm(f"Delete the project {figures.clean_line(name)} for good?", yes)
    with invocation.management() as management:
        data = management.delete(f"/api/projects/{inputs.segment(name)}")
    invocation.screen.result(data, lambda console: console.print(f"deleted {figures.clean_line(name)}"))


def members(context: typer.Context, name: Name) -> None:
    """List who belongs to a project."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.pages(f"/api/projects/{inputs.segment(name)}/members", "members", None)

    def draw(console: "Console") -> None:
        if not data["members"]:
            console.print(f"nobody yet:  sekisho projects add-member {figures.clean_line(name)} USER --role editor")
            return
        columns = (
            tables.Column("e-mail"),
            tables.Column("name", spare=1),
            tables.Column("role", whole=True),
            tables.Column("since", right=True),
        )
        now = invocation.clock.now()
        rows = [
            (
                figures.clean_line(each["email"]),
                figures.clean_line(each["name"]),
                figures.clean_line(each["role"]),
                figures.relative(each["created_at"], now),
            )
            for each in data["members"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)


def add_member(context: typer.Context, name: Name, who: Who, role: Part = Parts.VIEWER) -> None:
    """Add somebody who has an account."""
    invocation = of(context)
    with invocation.management() as management:
        email = who if "@" in who else management.get(f"/api/users/{inputs.segment(who)}")["email"]
        data = management.post(f"/api/projects/{inputs.segment(name)}/members", {"email": email, "role": role.value})
    _tell(context, data)


def set_member(context: typer.Context, name: Name, who: Who, role: Part) -> None:
    """Give a member another role; it acts at once."""
    with of(context).management() as management:
        path = f"/api/projects/{inputs.segment(name)}/members/{people.id_of(management, who)}"
        data = management.put(path, {"role": role.value})
    _tell(context, data)


def remove_member(context: typer.Context, name: Name, who: Who) -> None:
    """Take somebody out of a project; it acts at once."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.delete(f"/api/projects/{inputs.segment(name)}/members/{people.id_of(management, who)}")
    invocation.screen.result(data, lambda console: console.print(f"{figures.clean_line(who)} is no member any more"))


def _tell(context: typer.Context, member: dict[str, Any]) -> None:
    line = f"{figures.clean_line(member['email'])} is {figures.clean_line(member['role'])} now"
    of(context).screen.result(member, lambda console: console.print(line))


def _draw(console: "Console", data: dict[str, Any], now: int) -> None:
    state = tables.state("archived" if data["archived"] else "active")
    console.print(
        tables.facts(
            [
                ("name", figures.clean_line(data["name"])),
                ("title", figures.clean_line(data["title"])),
                ("id", figures.clean_line(data["id"])),
                ("about", figures.clean_line(data["description"])),
                ("state", state),
                ("members", figures.count(data["members"])),
                ("live keys", figures.count(data["live_keys"])),
                ("created", f"{figures.moment(data['created_at'])} ({figures.relative(data['created_at'], now)})"),
            ]
        )
    )
