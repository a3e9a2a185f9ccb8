"""`init`: makes a home without starting a server. What is there already stays as it is."""

from typing import TYPE_CHECKING, Final

import typer

from sekisho.cli import tables
from sekisho.cli.failures import CommandError
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console

STARTER: Final = """\
# Settings of Sekisho. A line here overrides the default, SEKISHO_<SECTION>__<NAME> overrides the line, a flag overrides both.
# `sekisho config list` shows every setting with its value and where it comes from.

[gateway]
# host = "127.0.0.1"
# port = 4000

[console]
# host = "127.0.0.1"
# port = 4001

[workers]
# count = 1
"""


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(context: typer.Context) -> None:
    """Make the home without starting the server.

    That is its directories, a settings file, the secret key and the database. Safe to repeat: nothing is overwritten. `sekisho
    serve` does the same by itself where it has to; use this to prepare a home, or to edit the settings before the first start.
    """
    from sekisho.app import homes
    from sekisho.cli import client
    from sekisho.kit.crypto import write_private

    invocation = of(context)
    home = invocation.home()
    files = {"settings": home.config, "secret_key": home.ring_file, "database": home.database}
    before = {name for name, path in files.items() if path.exists()}
    try:
        home.create()
    except homes.HomeError as error:
        raise CommandError("HOME_UNUSABLE", str(error)) from error
    if not home.config.exists():
        write_private(home.config, STARTER.encode())
    with invocation.screen.working("making the database"), client.connect(home, invocation.loaded, invocation.screen) as management:
        management.get("/health")
    created = [name for name, path in files.items() if name not in before and path.exists()]
    data = {"home": str(home.path), "created": created, **{name: str(path) for name, path in files.items() if path.exists()}}

    def draw(console: "Console") -> None:
        heading = "the home is ready" if created else "the home was ready; nothing was changed"
        console.print(tables.styled(heading, "bold green"))
        console.print(tables.facts((name.replace("_", " "), str(data[name])) for name in ("home", *files) if name in data))
        console.print("next: sekisho serve")

    invocation.screen.result(data, draw)
