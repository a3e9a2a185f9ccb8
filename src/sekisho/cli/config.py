"""`config`: reads settings where they are in force, writes them where a person would: in `sekisho.toml`, line by line, comments kept.

A change is decoded as strictly as a start would before it replaces the file; one that does not pass leaves the file as it was.
"""

import json
import math
import re
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import figures, tables
from sekisho.cli.failures import EXIT_USER, CommandError, usage
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console

HEADER: Final = re.compile(r"\s*\[([^\[\]]+)\]\s*(#.*)?")
WITH_PASSWORD: Final = re.compile(r"[a-z0-9+.-]+://[^/@]*:[^/@]+@", re.IGNORECASE)
"""A URL that carries a password: it must not stand on a command line, which other users of the machine can read."""


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Read and change settings.")
    group.command("get")(get)
    group.command("set")(set_)
    group.command("list")(list_)
    app.add_typer(group, name="config")


def _effective(invocation: Invocation) -> dict[str, tuple[Any, str]]:
    """Name → value and source: of the running server where one runs, else as a start would see them now."""
    from sekisho.cli import client

    home = invocation.home()
    if client.answers(home.node_socket):
        with invocation.node() as node:
            return {each["name"]: (each["value"], each["source"]) for each in node.get("/api/settings")["settings"]}
    loaded = invocation.loaded()
    return {name: (value, loaded.origins.get(name, "default")) for name, value in loaded.values().items()}


def _shown(value: Any) -> str:
    return figures.clean_line(value if isinstance(value, str) else json.dumps(value))


def get(context: typer.Context, key: Annotated[str, typer.Argument(help="Dotted name, such as gateway.port.")]) -> None:
    """Show one setting.

    In JSON also where it comes from. Exits with 1 where the setting has no value.
    """
    from sekisho.app import settings

    invocation = of(context)
    effective = _effective(invocation)
    if key not in effective:
        raise CommandError("CONFIG_NOT_FOUND", f"there is no setting {key}{settings.nearest(key)}")
    value, source = effective[key]
    invocation.screen.result({"key": key, "value": value, "source": source}, lambda console: console.print(_shown(value)))
    if value is None:
        raise typer.Exit(EXIT_USER)


def list_(context: typer.Context) -> None:
    """List every setting with its value and where it comes from.

    That is: default, sekisho.toml, an environment variable or a flag.
    """
    invocation = of(context)
    effective = _effective(invocation)
    data = {
        "config": {name: value for name, (value, _) in effective.items()},
        "sources": {name: source for name, (_, source) in effective.items()},
    }

    def draw(console: "Console") -> None:
        columns = (tables.Column("setting", whole=True), tables.Column("value", whole=True), tables.Column("from"))
        rows = [
            (name, _shown(value), tables.styled(figures.clean_line(source), "dim" if source == "default" else "cyan"))
            for name, (value, source) in effective.items()
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)


def set_(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Dotted name, such as gateway.port.")],
    value: Annotated[str | None, typer.Argument(help="The new value; lists as in TOML, such as '[\"10.0.0.0/8\"]'.")] = None,
    value_stdin: Annotated[
        bool, typer.Option("--value-stdin", help="Read the value from standard input (for one that holds a password).")
    ] = False,
) -> None:
    """Write one setting into sekisho.toml.

    The file is checked as a whole before it is replaced; comments stay.
    """
    from sekisho.app import homes, settings
    from sekisho.kit.crypto import write_private

    invocation = of(context)
    if key not in settings.names():
        raise CommandError("CONFIG_NOT_FOUND", f"there is no setting {key}{settings.nearest(key)}")
    if (value is None) is not value_stdin:
        raise usage("give the value once: as an argument, or with --value-stdin")
    text = invocation.secret("value", "--value-stdin").reveal() if value is None else value
    if value is not None and WITH_PASSWORD.match(value):
        raise usage("this value holds a password, which others could read on the command line; pipe it in with --value-stdin")
    home = invocation.home()
    try:
        home.create()
    except homes.HomeError as error:
        raise CommandError("HOME_UNUSABLE", str(error)) from error
    old = home.config.read_text(encoding="utf-8") if home.config.exists() else ""
    new, stored = _accepted(old, key, text, str(home.config))
    write_private(home.config, new.encode())
    running = home.holder() is not None
    override = settings.variable_of(key) if settings.variable_of(key) in invocation.environ else None
    data = {"key": key, "value": None if value_stdin else stored, "file": str(home.config), "running": running, "overridden_by": override}

    def draw(console: "Console") -> None:
        console.print(f"{key} = {'(as read)' if value_stdin else _shown(stored)}  in {home.config}")

    invocation.screen.result(data, draw)
    if override:
        invocation.screen.warn([f"{override} is set in this environment and overrides the file"])
    if running:
        invocation.screen.note(
            "the running server goes on as it is; apply it with: sekisho reload (ports, workers, database, engines: restart)"
        )


def _accepted(old: str, key: str, text: str, where: str) -> tuple[str, Any]:
    """The new file and the value in it: the text as TOML where that is a good value, else as a plain text; raises CommandError."""
    from sekisho.app import settings

    first: settings.SettingsError | None = None
    for candidate in _readings(text):
        new = with_value(old, key, candidate)
        try:
            settings.check_toml(new, where)
        except settings.SettingsError as error:
            first = first or error
        else:
            return new, candidate
    raise CommandError("SETTINGS_INVALID", f"{first}; nothing was changed") from first


def _readings(text: str) -> list[Any]:
    """What a typed value may mean, the likeliest first."""
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return [text]
    value = document.pop("value")
    plain = isinstance(value, bool | int | str | list | dict) or (isinstance(value, float) and math.isfinite(value))
    return [value, text] if plain and not document else [text]


def literal(value: Any) -> str:
    """A value in TOML; raises CommandError for kinds that no setting has."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(name))} = {literal(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(each) for each in value) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise usage(f"{value!r} is not a value that a setting can have")


def with_value(text: str, key: str, value: Any) -> str:
    """The text of a settings file with one setting changed or added, all else untouched; raises CommandError.

    Lines are edited, and the outcome is read again: it must say the same as before but for this one setting. So a file in a form that
    the edit does not understand is refused, never broken.
    """
    try:
        wanted = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CommandError("SETTINGS_INVALID", f"sekisho.toml is not TOML ({error}); mend it in an editor first") from error
    section, name = key.split(".", 1)
    members = wanted.setdefault(section, {})
    if isinstance(members, dict):
        members[name] = value
    for candidate in _edits(text.splitlines(), section, name, f"{name} = {literal(value)}"):
        try:
            if tomllib.loads(candidate) == wanted:
                return candidate
        except tomllib.TOMLDecodeError:
            continue
    raise CommandError("SETTINGS_FORM", f"sekisho.toml is written in a form that this command does not edit; set {key} in an editor")


def _edits(lines: list[str], section: str, name: str, line: str) -> list[str]:
    """Ways to put the line in: in place of the old one (of one or more lines), else after the section's head, else at the end."""
    headers = [(number, match[1].strip()) for number, each in enumerate(lines) if (match := HEADER.fullmatch(each))]
    start = next((number for number, title in headers if title == section), None)
    if start is None:
        gap = [""] if lines and lines[-1].strip() else []
        return ["\n".join([*lines, *gap, f"[{section}]", line, ""])]
    end = next((number for number, _ in headers if number > start), len(lines))
    assignment = re.compile(rf"\s*{re.escape(name)}\s*=")
    held = next((number for number in range(start + 1, end) if assignment.match(lines[number])), None)
    if held is None:
        return ["\n".join([*lines[: start + 1], line, *lines[start + 1 :], ""])]
    return ["\n".join([*lines[:held], line, *lines[after:], ""]) for after in range(held + 1, end + 1)]
