"""`users`: who may log in at the console. The way back in for everybody who lost theirs, since it needs no login."""

import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, gateways, people, tables
from sekisho.cli.failures import CommandError, usage
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console


class Roles(enum.StrEnum):
    """What somebody can be."""

    OWNER = "owner"
    ADMIN = "admin"
    USER = "user"
    GUEST = "guest"


Who = Annotated[str, typer.Argument(metavar="USER", help="The e-mail address, or the id as users list shows it.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Let people in at the console: make accounts, change roles, help who cannot log in.")
    group.command("list")(list_)
    group.command("create")(create)
    group.command("set-role")(set_role)
    group.command("deactivate")(deactivate)
    group.command("activate")(activate)
    group.command("reset-password")(reset_password)
    group.command("end-sessions")(end_sessions)
    group.command("setup-link")(setup_link)
    people.add_to(group)
    app.add_typer(group, name="users")


def list_(
    context: typer.Context,
    role: Annotated[Roles | None, typer.Option("--role", help="Only those of this role.")] = None,
    query: Annotated[str | None, typer.Option("--query", help="Part of the name or of the address.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Most people to show. Default: all.")] = None,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended (its next_cursor).")] = None,
) -> None:
    """List the people who have an account."""
    invocation = of(context)
    asked = {"role": None if role is None else role.value, "q": query}
    with invocation.management() as management:
        data = management.pages("/api/users", "users", limit, asked, cursor=cursor)
    now = invocation.clock.now()

    def draw(console: "Console") -> None:
        if not data["users"]:
            console.print("nobody here; the setup link makes the first owner:  sekisho users setup-link")
            return
        columns = (
            tables.Column("id", whole=True, spare=2),
            tables.Column("e-mail"),
            tables.Column("name", spare=1),
            tables.Column("role", whole=True),
            tables.Column("state", whole=True),
            tables.Column("last login", right=True),
            tables.Column("created", right=True, spare=3),
        )
        rows = [
            (
                figures.clean_line(user["id"]),
                figures.clean_line(user["email"]),
                figures.clean_line(user["name"]),
                figures.clean_line(user["role"]),
                tables.state(_state(user)),
                figures.relative(user.get("last_login_at"), now),
                figures.relative(user.get("created_at"), now),
            )
            for user in data["users"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)
    if data.get("next_cursor"):
        invocation.screen.note(f"more: add --cursor {data['next_cursor']}", style="dim")


def create(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address to log in with.")],
    name: Annotated[str, typer.Option("--name", help="The person's name.")],
    role: Annotated[Roles, typer.Option("--role", help="What they may do.")] = Roles.USER,
    password_stdin: Stdin = False,
) -> None:
    """Make an account for somebody.

    The password is asked for, or read from standard input.
    """
    invocation = of(context)
    password = _password(invocation, password_stdin)
    with invocation.management() as management:
        data = management.post("/api/users", {"email": email, "name": name, "role": role.value, "password": password})
    invocation.screen.result(
        data, lambda console: console.print(f"made {figures.clean_line(data['email'])}, {figures.clean_line(data['role'])}")
    )


def set_role(
    context: typer.Context, who: Who, role: Annotated[Roles, typer.Argument(metavar="ROLE", help="owner, admin, user or guest.")]
) -> None:
    """Change what somebody may do; it acts at once."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.patch(f"/api/users/{people.id_of(management, who)}", {"role": role.value})
    invocation.screen.result(
        data, lambda console: console.print(f"{figures.clean_line(data['email'])} is {figures.clean_line(data['role'])} now")
    )


def deactivate(context: typer.Context, who: Who) -> None:
    """Let somebody in no more.

    Their sessions end at once; the account and what it did stay.
    """
    _activate(of(context), who, active=False)


def activate(context: typer.Context, who: Who) -> None:
    """Let somebody in again."""
    _activate(of(context), who, active=True)


def _activate(invocation: Invocation, who: str, *, active: bool) -> None:
    with invocation.management() as management:
        data = management.patch(f"/api/users/{people.id_of(management, who)}", {"active": active})
    told = "may log in again" if active else "may not log in any more; all sessions have ended"
    invocation.screen.result(data, lambda console: console.print(f"{figures.clean_line(data['email'])} {told}"))


def reset_password(context: typer.Context, who: Who, password_stdin: Stdin = False) -> None:
    """Give somebody a new password; all their sessions end."""
    invocation = of(context)
    password = _password(invocation, password_stdin)
    with invocation.management() as management:
        data = management.post(f"/api/users/{people.id_of(management, who)}/password", {"password": password})
    invocation.screen.result(data, lambda console: console.print(f"{figures.clean_line(data['email'])} has a new password"))


def end_sessions(context: typer.Context, who: Who) -> None:
    """Log somebody out everywhere; they may log in again."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.delete(f"/api/users/{people.id_of(management, who)}/sessions")
    invocation.screen.result(data, lambda console: console.print(f"ended {figures.count(data['ended'])} sessions"))


def setup_link(context: typer.Context) -> None:
    """Make a new link that makes the first owner, as long as there is none.

    The server must run; the link opens once, and until the server starts again.
    """
    invocation = of(context)
    with invocation.node() as node:
        console_url = gateways.console_url(node)
        token = node.post("/api/setup/link")["token"]
    from sekisho.app import welcome

    data = {"link": welcome.setup_link(console_url, token)}

    def draw(console: "Console") -> None:
        console.print("Open this link in a browser; whoever does so first is the owner:")
        console.print(tables.styled(f"\n  {data['link']}\n", "bold green"), soft_wrap=True)

    invocation.screen.result(data, draw)


def _password(invocation: Invocation, from_stdin: bool) -> str:
    if not from_stdin and not invocation.asks:
        raise usage('--password-stdin: pipe the password in, such as: printf %s "$PASSWORD" | sekisho users ... --password-stdin')
    password = invocation.secret("password", "--password-stdin").reveal()
    if not from_stdin and invocation.secret("password once more", "--password-stdin").reveal() != password:
        raise CommandError("PASSWORDS_DIFFER", "the two passwords are not the same; nothing was changed")
    return password


def _state(user: dict[str, Any]) -> str:
    return "active" if user.get("active") else "disabled"
