"""`export` and `apply`: everything that is set up as one file, and back. Secrets stay where they are: the file says where to find them.

References are followed here, on the machine of whoever applies the file; what stands behind them goes to the node and is never shown.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import documents, figures, files, tables
from sekisho.cli.client import LONG_SECONDS
from sekisho.cli.failures import CommandError, usage
from sekisho.cli.invocations import Invocation, of

if TYPE_CHECKING:
    from rich.console import Console

    from sekisho.cli.client import Management

PATH: Final = "/api/configuration"
STDIN: Final = "-"
MOST_SECRET: Final = 64 * 1024
MOST_BUNDLE: Final = 512 * 1024
OURS: Final = ("secrets", "prune", "plan")
"""What goes with a document on its way and is no part of it."""

REFERENCES: Final = {"providers": "credential", "issuers": "client_secret"}
"""The field of each section that says where a secret is."""

MARKS: Final = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}

HEADING: Final = """\
# What is set up in Sekisho, but for secrets: credential says where `sekisho apply` finds one (env:NAME or file:PATH).
# What is left out stays as it is. See docs/howto/configuration-as-code.md.
"""


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export")(export)
    app.command("apply")(apply)


def export(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", help="A new file. Default: the standard output.")] = None,
    keys: Annotated[bool, typer.Option("--keys", help="Tell of the keys as well, in comments.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Write the file's JSON schema instead, for editors.")] = False,
) -> None:
    """Write what is set up as YAML, without secrets.

    That is: providers, models and rates, APIs, projects and their members, issuers.
    What comes of it can be edited, kept in version control, and applied here or elsewhere.
    """
    invocation = of(context)
    if schema and keys:
        raise usage("--schema is about the form of the file and tells of no keys; leave out --keys")
    if schema:
        text = _schema()
    else:
        with invocation.management() as management:
            text = HEADING + documents.write(management.get(PATH)) + ("".join(_told_keys(management)) if keys else "")
    path = None if output is None else output.expanduser().absolute()
    with files.new_file(path) if path is not None else nullcontext(invocation.screen.raw) as write:
        write(text)
    if path is not None:
        invocation.screen.result({"path": str(path)}, lambda console: console.print(f"it is in {path}", soft_wrap=True))


def _schema() -> str:
    from sekisho.api.configurations.schemas import Configuration

    form = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Configuration.model_json_schema()}
    return json.dumps(form, indent=2) + "\n"


def _told_keys(management: "Management") -> Iterator[str]:
    found = management.pages("/api/keys", "api_keys", None)["api_keys"]
    number = "1 key" if len(found) == 1 else f"{figures.count(len(found))} keys"
    yield f"# Not a part of this file: {number} (a key's secret is told once, when it is made).\n"
    for each in found:
        facts = {name: each.get(name) for name in ("label", "project", "models", "rpm", "tpm", "concurrency", "expires_at", "revoked_at")}
        told = ", ".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
        yield f"#   {figures.clean_line(each['id'])}  {figures.clean_line(told)}\n"


def apply(
    context: typer.Context,
    file: Annotated[str, typer.Option("-f", "--file", metavar="FILE", help="What export wrote, or you did. - is the standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be changed, and change nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove what the sections of the file do not name.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Bring what is set up to what a file says.

    The difference is shown, asked about, and made as a whole or not at all.
    """
    invocation = of(context)
    path = None if file == STDIN else Path(file).expanduser()
    name = "standard input" if path is None else str(path)
    data = invocation.stdin.read(documents.MOST_BYTES + 1).encode() if path is None else files.bounded(path, documents.MOST_BYTES, "-f")
    read = documents.read(data, name)
    document = read.content
    if not isinstance(document, dict):
        raise CommandError("INVALID_FILE", f"{name}: this is no configuration; it begins with version: 1, see: sekisho export")
    for each in OURS:
        if each in document:
            raise CommandError("INVALID_FILE", f"{name}: there is no field {each!r} in a configuration; leave it out")
    secrets = _follow(document, Path.cwd() if path is None else path.absolute().parent, invocation.environ)
    body = {**document, "secrets": secrets, "prune": prune}
    with invocation.management() as management:
        try:
            planned = management.post(f"{PATH}/plan", body, seconds=LONG_SECONDS)
        except CommandError as refused:
            raise read.located(refused) from None
        if dry_run or not planned["changes"]:
            _tell(invocation, {**planned, "applied": False}, shown=False)
            return
        shown = invocation.asks and not yes
        if shown:
            _draw(invocation.screen.console(err=True), planned)
        number = len(planned["changes"])
        invocation.confirm("Make this change?" if number == 1 else f"Make these {figures.count(number)} changes?", yes)
        with invocation.screen.working("applying"):
            done = management.post(f"{PATH}/apply", {**body, "plan": planned["plan"]}, seconds=LONG_SECONDS)
    _tell(invocation, {**done, "applied": True}, shown=shown)
    invocation.screen.warn(done.get("warnings") or [])


def _follow(document: Mapping[str, Any], directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets behind the references that lead somewhere; a bundle of certificates is put into its place. Raises CommandError."""
    found: dict[str, str] = {}
    for section, field in REFERENCES.items():
        entries = document.get(section)
        for name, each in entries.items() if isinstance(entries, dict) else ():
            if not isinstance(each, dict):
                continue
            where = f"{section}.{figures.clean_line(name)}"
            bundle, reference = each.get("ca_bundle"), each.get(field)
            if isinstance(bundle, str) and bundle.startswith("file:"):
                path = directory / Path(bundle.removeprefix("file:")).expanduser()
                each["ca_bundle"] = _utf8(files.bounded(path, MOST_BUNDLE, f"{where}.ca_bundle"), f"{where}.ca_bundle")
            if reference is not None:
                found |= _secret(reference, directory, environ, f"{where}.{field}")
    return found


def _secret(reference: object, directory: Path, environ: Mapping[str, str], where: str) -> dict[str, str]:
    """Reference and what stands behind it; nothing where nothing is there. No message repeats what may be a secret itself."""
    written = reference if isinstance(reference, str) else ""
    scheme, _, target = written.partition(":")
    if scheme == "env" and target:
        text = environ.get(target)
    elif scheme == "file" and target:
        path = directory / Path(target).expanduser()
        text = _utf8(files.bounded(path, MOST_SECRET, where), where) if path.exists() else None
    else:
        raise CommandError(
            "INVALID_REFERENCE",
            f"{where}: write where the secret is, env:NAME or file:PATH; the secret itself does not belong into a configuration",
        )
    if text is not None and not text.strip():
        raise CommandError("INVALID_REFERENCE", f"{where}: what stands at {written} is empty; put the secret there")
    return {} if text is None else {written: text.strip()}


def _utf8(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CommandError("FILE_UNREADABLE", f"{where}: the file that it names is no text") from None


def _tell(invocation: Invocation, data: dict[str, Any], *, shown: bool) -> None:
    """The result; `shown` is whether somebody saw the plan already."""

    def draw(console: "Console") -> None:
        if not shown:
            _draw(console, data)
        if data["applied"]:
            console.print(tables.styled("applied", "bold green"))

    invocation.screen.result(data, draw)


def _draw(console: "Console", planned: dict[str, Any]) -> None:
    """The plan: a line for each thing, and one for each of its fields."""
    for change in planned["changes"]:
        mark, style = MARKS[change["action"]]
        console.print(tables.styled(f"{mark} {figures.clean_line(change['path'])}", style), soft_wrap=True)
        for each in change["fields"]:
            before, after = _value(each["before"]), _value(each["after"])
            values = after if change["action"] == "add" else f"{before} → {after}"
            console.print(f"    {figures.clean_line(each['field'])}: {values}", soft_wrap=True)
    for note in planned["notes"]:
        console.print(tables.styled(f"note: {figures.clean_line(note)}", "yellow"), soft_wrap=True)
    counts = {action: sum(1 for each in planned["changes"] if each["action"] == action) for action in MARKS}
    told = ", ".join(f"{figures.count(number)} to {action}" for action, number in counts.items() if number)
    console.print(f"in all: {told}" if told else "nothing to do")


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return figures.clean_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) or '""'
