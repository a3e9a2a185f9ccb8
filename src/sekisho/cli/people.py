"""Parts of `users` that have to do with coming and going, and how people are named in commands."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, gateways, inputs, tables
from sekisho.cli.failures import CommandError
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console

    from sekisho.cli.client import Management

Who = Annotated[str, typer.Argument(metavar="USER", help="The e-mail address, or the id as users list shows it.")]
Expires = Annotated[str | None, typer.Option("--expires", help="How long the link opens, such as 24h.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands to `users`."""
    group.command("invite")(invite)
    group.command("reset-link")(reset_link)
    group.command("reset-totp")(reset_totp)
    group.command("erase")(erase)


def invite(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whom the link is for; nobody else can use it.")],
    role: Annotated[str, typer.Option("--role", help="What they may do: owner, admin, user or guest.")] = "user",
    project: Annotated[str | None, typer.Option("--project", help="A project that they become a member of.")] = None,
    project_role: Annotated[str | None, typer.Option("--project-role", help="As maintainer, editor or viewer. Default: viewer.")] = None,
    expires: Expires = None,
) -> None:
    """Make a link by which somebody makes an account, and show it, once."""
    invocation = of(context)
    body = {"email": email, "role": role, **inputs.given(project=project, project_role=project_role)}
    if expires is not None:
        body["expires_in_s"] = inputs.seconds(expires, "--expires")
    with invocation.management() as management:
        link = _link(management, management.post("/api/invitations", body))
    invocation.screen.result(link, lambda console: _draw(console, f"Send this link to {figures.clean_line(email)}", link))


def reset_link(context: typer.Context, who: Who, expires: Expires = None) -> None:
    """Make a link by which somebody sets a new password, and show it, once."""
    invocation = of(context)
    body = {} if expires is None else {"expires_in_s": inputs.seconds(expires, "--expires")}
    with invocation.management() as management:
        link = _link(management, management.post(f"/api/users/{id_of(management, who)}/reset-link", body))
    invocation.screen.result(link, lambda console: _draw(console, f"Send this link to {figures.clean_line(who)}", link))


def reset_totp(context: typer.Context, who: Who) -> None:
    """Switch off the second factor of somebody who has lost it."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.delete(f"/api/users/{id_of(management, who)}/totp")
    invocation.screen.result(data, lambda console: console.print(f"{figures.clean_line(who)} needs the password alone now"))


def erase(
    context: typer.Context,
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let somebody go for good.

    The account is gone, and what they did names a pseudonym from now on.
    """
    invocation = of(context)
    if invocation.asks:
        invocation.confirm(f"Erase {figures.clean_line(who)} for good?", yes)
    with invocation.management() as management:
        data = management.post(f"/api/users/{id_of(management, who)}/erase")
    invocation.screen.result(data, lambda console: console.print(f"gone; the audit says {figures.clean_line(data['pseudonym'])}"))


def id_of(management: "Management", who: str) -> str:
    """The id of somebody who is named by address or id, as one segment of a path; raises CommandError."""
    if "@" not in who:
        return inputs.segment(who)
    wanted = who.strip().casefold()
    found: list[dict[str, Any]] = management.pages("/api/users", "users", None, {"q": who.strip()})["users"]
    for user in found:
        if str(user["email"]).casefold() == wanted:
            return inputs.segment(str(user["id"]))
    raise CommandError("USER_NOT_FOUND", f"nobody here has the address {who}; see: sekisho users list")


def _link(management: "Management", made: dict[str, Any]) -> dict[str, Any]:
    """The answer with the whole link where a server runs, that says where its console is."""
    if management.in_process:
        return {**made, "link": None}
    return {**made, "link": gateways.console_url(management) + made["path"]}


def _draw(console: "Console", heading: str, made: dict[str, Any]) -> None:
    console.print(f"{heading}; it opens once, until {figures.moment(made['expires_at'])}:")
    console.print(tables.styled(f"\n  {made['link'] or made['path']}\n", "bold green"), soft_wrap=True)
    if made["link"] is None:
        console.print("(behind the console's address; the server does not run)")
