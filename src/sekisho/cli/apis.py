"""`apis`: names of one's own for models, as clients call them, and the defaults that go with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import figures, files, inputs, tables
from sekisho.cli.failures import CommandError, usage
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MOST_PROMPT: Final = 80_000
"""Bytes of a prompt's file: as many as the longest prompt can have."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The API's name, as clients call it.")]
Target = Annotated[str | None, typer.Option("--model", help="The model that serves it: provider/model, as models list shows it.")]
Title = Annotated[str | None, typer.Option("--title", help="What people read.")]
Description = Annotated[str | None, typer.Option("--description", help="What it is for.")]
Temperature = Annotated[
    float | None, typer.Option("--temperature", min=0, max=2, help="From 0 to 2, where the caller gives none; so all below.")
]
TopP = Annotated[float | None, typer.Option("--top-p", min=0, max=1, help="From 0 to 1.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, help="The most that an answer has.")]
MaxCompletionTokens = Annotated[int | None, typer.Option("--max-completion-tokens", min=1, help="The newer name of the same; one of both.")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="Where an answer ends; up to four times.")]
Seed = Annotated[int | None, typer.Option("--seed", help="A whole number.")]
PresencePenalty = Annotated[float | None, typer.Option("--presence-penalty", min=-2, max=2, help="From -2 to 2.")]
FrequencyPenalty = Annotated[float | None, typer.Option("--frequency-penalty", min=-2, max=2, help="From -2 to 2.")]
SystemPrompt = Annotated[str | None, typer.Option("--system-prompt", help="Goes before chats in which no system speaks.")]
PromptFile = Annotated[Path | None, typer.Option("--system-prompt-file", help="The same, out of a file.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Publish models under names of your own, with defaults.")
    group.command("list")(list_)
    group.command("create")(create)
    group.command("show")(show)
    group.command("set")(set_)
    group.command("delete")(delete)
    app.add_typer(group, name="apis")


def list_(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Most APIs to show. Default: all.")] = None,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended (its next_cursor).")] = None,
) -> None:
    """List the APIs by name."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.pages("/api/apis", "apis", limit, cursor=cursor)

    def draw(console: "Console") -> None:
        if not data["apis"]:
            console.print("no APIs yet; publish a model:  sekisho apis create helper --model sandbox/echo")
            return
        columns = (
            tables.Column("name", whole=True),
            tables.Column("model"),
            tables.Column("state", whole=True),
            tables.Column("defaults", spare=1),
            tables.Column("title", spare=2),
        )
        rows = [
            (
                figures.clean_line(each["name"]),
                figures.clean_line(each["target"]),
                tables.state(each["state"]),
                figures.joined(each["defaults"]),
                figures.clean_line(each["title"]),
            )
            for each in data["apis"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)
    if data.get("next_cursor"):
        invocation.screen.note(f"more: add --cursor {data['next_cursor']}", style="dim")


def create(
    context: typer.Context,
    name: Name,
    model: Annotated[str, typer.Option("--model", help="The model that serves it: provider/model, as models list shows it.")],
    title: Title = None,
    description: Description = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    max_tokens: MaxTokens = None,
    max_completion_tokens: MaxCompletionTokens = None,
    stop: Stop = None,
    seed: Seed = None,
    presence_penalty: PresencePenalty = None,
    frequency_penalty: FrequencyPenalty = None,
    system_prompt: SystemPrompt = None,
    system_prompt_file: PromptFile = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Not to be called yet.")] = False,
) -> None:
    """Publish a model under a name that never changes.

    It can be called when the command returns, by keys for all models and by keys made with --models NAME.
    """
    invocation = of(context)
    defaults = inputs.given(
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        max_completion_tokens=max_completion_tokens,
        stop=stop or None,
        seed=seed,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        system_prompt=_prompt(system_prompt, system_prompt_file),
    )
    body = {"name": name, "target": model, **inputs.given(title=title, description=description)}
    body |= {"defaults": defaults} if defaults else {}
    body |= {"enabled": False} if disabled else {}
    with invocation.management() as management:
        data = management.post("/api/apis", body)
    invocation.screen.result(data, lambda console: _tell(console, "published", data, invocation.clock.now()))
    invocation.screen.warn(data.get("warnings") or [])


def show(context: typer.Context, name: Name) -> None:
    """Show one API."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.get(f"/api/apis/{inputs.segment(name)}")
    invocation.screen.result(data, lambda console: _draw(console, data, invocation.clock.now()))


def set_(
    context: typer.Context,
    name: Name,
    model: Target = None,
    title: Title = None,
    description: Description = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it can be called.")] = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    max_tokens: MaxTokens = None,
    max_completion_tokens: MaxCompletionTokens = None,
    stop: Stop = None,
    seed: Seed = None,
    presence_penalty: PresencePenalty = None,
    frequency_penalty: FrequencyPenalty = None,
    system_prompt: SystemPrompt = None,
    system_prompt_file: PromptFile = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", help="Take a default away, such as temperature or system-prompt.")] = None,
) -> None:
    """Change an API; what is not named stays as it is.

    It is in force when the command returns; calls on their way end as they began.
    """
    invocation = of(context)
    defaults = inputs.given(
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        max_completion_tokens=max_completion_tokens,
        stop=stop or None,
        seed=seed,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        system_prompt=_prompt(system_prompt, system_prompt_file),
    )
    gone = {each.replace("-", "_") for each in unset or []}
    body: dict[str, Any] = inputs.given(target=model, title=title, description=description, enabled=enabled)
    if not (body or defaults or gone):
        raise usage("nothing to change; name it, such as: --temperature 0.2 or --disable")
    path = f"/api/apis/{inputs.segment(name)}"
    with invocation.management() as management:
        if defaults or gone:
            held = management.get(path)["defaults"]
            if unknown := gone - held.keys():
                raise CommandError("NOT_SET", f"--unset {min(unknown)}: it has no such default; it has {figures.joined(held, 'none')}")
            body["defaults"] = {each: value for each, value in held.items() if each not in gone} | defaults
        data = management.patch(path, body)
    invocation.screen.result(data, lambda console: _tell(console, "changed", data, invocation.clock.now()))
    invocation.screen.warn(data.get("warnings") or [])


def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Withdraw an API.

    The records of its calls stay. Keys that may call nothing else open nothing from then on.
    """
    invocation = of(context)
    if invocation.asks:
        invocation.confirm(f"Delete the API {figures.clean_line(name)}? Its clients get 404 from then on.", yes)
    with invocation.management() as management:
        data = management.delete(f"/api/apis/{inputs.segment(name)}")
    invocation.screen.result(data, lambda console: console.print(f"deleted {figures.clean_line(name)}"))
    invocation.screen.warn(data.get("warnings") or [])


def _prompt(text: str | None, path: Path | None) -> str | None:
    """The prompt, as it was typed or out of its file."""
    if path is None:
        return text
    if text is not None:
        raise usage("give --system-prompt or --system-prompt-file, not both")
    try:
        return files.bounded(path, MOST_PROMPT, "--system-prompt-file").decode().strip("\n")
    except UnicodeDecodeError:
        raise CommandError("FILE_UNREADABLE", f"--system-prompt-file: {path} is no UTF-8 text") from None


def _tell(console: "Console", what: str, data: dict[str, Any], now: int) -> None:
    console.print(tables.styled(f"{what} {figures.clean_line(data['name'])}", "bold green"))
    _draw(console, data, now)


def _draw(console: "Console", data: dict[str, Any], now: int) -> None:
    facts: list[tuple[str, str | Text]] = [
        ("name", figures.clean_line(data["name"])),
        ("title", figures.clean_line(data["title"])),
        ("about", figures.clean_line(data["description"])),
        ("model", figures.clean_line(data["target"])),
        ("state", tables.state(data["state"])),
    ]
    if data.get("reason"):
        facts.append(("because", figures.clean_line(data["reason"])))
    for name, value in data["defaults"].items():
        facts.append((name.replace("_", " "), figures.joined(value) if isinstance(value, list) else figures.clean_line(value)))
    facts.append(("changed", f"{figures.moment(data['updated_at'])} ({figures.relative(data['updated_at'], now)})"))
    console.print(tables.facts(facts))
