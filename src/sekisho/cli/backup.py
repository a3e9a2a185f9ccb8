"""`backup`: a sealed copy of the database, made while the server runs; brought back while it does not, into either kind of database.

A backup opens only with the secret key of the home that made it; that key is not in it, so keep `secret.key` in another safe place.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, tables
from sekisho.cli.client import LONG_SECONDS
from sekisho.cli.failures import CommandError
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console

    from sekisho.app.settings import Loaded
    from sekisho.kit.crypto import KeyRing

File = Annotated[Path, typer.Argument(metavar="FILE", help="A backup, as backup list shows it.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Make, list, verify and restore sealed copies of the database.")
    group.command("create")(create)
    group.command("list")(list_)
    group.command("verify")(verify)
    group.command("restore")(restore)
    app.add_typer(group, name="backup")


def create(
    context: typer.Context,
    path: Annotated[Path | None, typer.Option("--path", help="File or directory to write to. Default: backups in the home.")] = None,
) -> None:
    """Make a sealed copy of the database, with the server up or down."""
    invocation = of(context)
    body = {} if path is None else {"path": str(path.expanduser().absolute())}
    with invocation.management() as management, invocation.screen.advancing("making a backup") as tell:
        data = management.post_watched("/api/backups", body, "/api/backups/progress", tell, seconds=LONG_SECONDS)

    def draw(console: "Console") -> None:
        console.print(tables.styled("backup made", "bold green"))
        console.print(tables.facts([("file", figures.clean_line(data["path"])), *_contents(data)]))
        console.print("it opens only with the secret key of this home; keep a copy of secret.key in another place")

    invocation.screen.result(data, draw)


def _contents(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("size", figures.size(data.get("bytes"))),
        ("calls", figures.count(data.get("calls"))),
        ("keys", figures.count(data.get("keys"))),
        ("made", figures.moment(data.get("created_at"))),
    ]


def list_(context: typer.Context) -> None:
    """List the backups in the home, newest first."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.get("/api/backups")
    now = invocation.clock.now()

    def draw(console: "Console") -> None:
        if not data["backups"]:
            console.print("no backups yet; make one:  sekisho backup create")
            return
        columns = (tables.Column("made", right=True), tables.Column("size", right=True), tables.Column("file", whole=True))
        rows = [
            (figures.relative(each.get("created_at"), now), figures.size(each.get("bytes")), figures.clean_line(each["path"]))
            for each in data["backups"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)


def _found(path: Path) -> Path:
    found = path.expanduser().absolute()
    if not found.is_file():
        raise CommandError("BACKUP_NOT_FOUND", f"{found} is no file; see: sekisho backup list")
    return found


def _ring(loaded: "Loaded") -> "KeyRing":
    """The ring of the home; never a new one, which could open nothing. Raises CommandError."""
    from sekisho.app import rings

    if loaded.secret_key is None and not loaded.home.ring_file.exists():
        where = loaded.home.ring_file
        raise CommandError("SECRET_KEY_MISSING", f"{where} is missing; put the secret.key of the home that made the backup there first")
    try:
        return rings.ring_for(loaded.home.ring_file, loaded.secret_key, str(loaded.home.path))
    except rings.RingError as error:
        raise CommandError("SECRET_KEY_UNUSABLE", str(error)) from error


def verify(context: typer.Context, file: File) -> None:
    """Open a backup and restore it for a trial, without touching anything.

    The trial takes as much room in the home as the database does.
    """
    from sekisho.kit import clock
    from sekisho.storage import backups
    from sekisho.storage.errors import StorageError

    invocation = of(context)
    path = _found(file)
    loaded = invocation.loaded()
    ring = _ring(loaded)
    # The home has room for a database; where the backup lies nothing may be writable.
    beside = loaded.home.path if loaded.home.path.is_dir() else path.parent
    try:
        with invocation.screen.advancing(f"verifying {path.name}") as tell:
            contents = asyncio.run(backups.rehearse(path, ring, beside, tell))
    except StorageError as error:
        raise CommandError("BACKUP_UNUSABLE", str(error)) from error
    data = {
        "path": str(path),
        "ok": True,
        "bytes": contents.bytes,
        "calls": contents.calls,
        "keys": contents.keys,
        "created_at": clock.to_rfc3339(contents.created_at),
    }

    def draw(console: "Console") -> None:
        console.print(tables.styled("the backup is whole and restores", "bold green"))
        console.print(tables.facts([("file", figures.clean_line(path)), *_contents(data)]))

    invocation.screen.result(data, draw)


def restore(
    context: typer.Context,
    file: File,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Replace the database by a backup.

    The server must be stopped. What was there is kept as a safety copy; the three newest of these stay.
    """
    invocation = of(context)
    path = _found(file)
    loaded = invocation.loaded()
    if loaded.home.holder() is not None:
        raise CommandError("SERVER_RUNNING", "the server runs on this home; stop it first: sekisho stop")
    invocation.confirm(f"Replace the database of {loaded.home.path} by {path.name}?", yes)
    data = _restore(invocation, loaded, path)

    def draw(console: "Console") -> None:
        console.print(tables.styled("restored", "bold green"))
        console.print(
            tables.facts([("from", figures.clean_line(path)), *_contents(data), ("before", figures.clean_line(data["safety_copy"]))])
        )
        console.print("next: sekisho serve")

    invocation.screen.result(data, draw)


def _restore(invocation: Invocation, loaded: "Loaded", path: Path) -> dict[str, Any]:
    from sekisho.app import build, homes
    from sekisho.kit import clock
    from sekisho.storage import notices, restores
    from sekisho.storage.errors import StorageError
    from sekisho.storage.urls import of_url

    ring = _ring(loaded)
    home = loaded.home
    try:
        home.create()
        with home.locked(), invocation.screen.advancing(f"restoring {path.name}") as tell:
            database = of_url(loaded.database_url)
            around = restores.Home(
                home.backups,
                home.journal,
                node=build.node_id(home) if database.shared else "",
                stale=(home.sealed_copy, home.sealed_copy.with_name(f".{home.sealed_copy.name}.new")),
                notice=home.run / notices.NAME,
            )
            restored = asyncio.run(restores.restore(path, database, ring, invocation.clock, around, tell))
    except homes.LockedError as error:
        raise CommandError("HOME_LOCKED", str(error)) from error
    except homes.HomeError as error:
        raise CommandError("HOME_UNUSABLE", str(error)) from error
    except build.StartError as error:
        raise CommandError("HOME_UNUSABLE", str(error)) from error
    except StorageError as error:
        raise CommandError("BACKUP_UNUSABLE", str(error)) from error
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "calls": restored.calls,
        "keys": restored.keys,
        "created_at": clock.to_rfc3339(restored.created_at),
        "safety_copy": str(restored.safety_copy) if restored.safety_copy else None,
    }
