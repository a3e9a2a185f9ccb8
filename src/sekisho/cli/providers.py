"""`providers`: the places that serve models. Their secrets come in by stdin or a hidden prompt, never as an argument."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, inputs, tables
from sekisho.cli.failures import CommandError, usage
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MOST_PEM_BYTES = 1024 * 1024


class Kind(StrEnum):
    """What stands behind a provider's address."""

    CUSTOM = "custom"
    OPENAI = "openai"
    OLLAMA = "ollama"
    LLAMACPP = "llamacpp"
    VLLM = "vllm"
    LMSTUDIO = "lmstudio"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The provider's name or id.")]
BaseUrl = Annotated[str | None, typer.Option("--base-url", help="Where its API begins, such as http://127.0.0.1:8080/v1.")]
KeyStdin = Annotated[bool, typer.Option("--api-key-stdin", help="Read its secret from standard input, or hidden from the terminal.")]
CaBundle = Annotated[Path | None, typer.Option("--ca-bundle", help="PEM file of the authorities to trust instead of the system's.")]
ConnectTimeout = Annotated[float | None, typer.Option("--connect-timeout", min=0.001, help="Seconds to connect.")]
FirstByteTimeout = Annotated[float | None, typer.Option("--first-byte-timeout", min=0.001, help="Seconds until an answer begins.")]
IdleTimeout = Annotated[float | None, typer.Option("--idle-timeout", min=0.001, help="Longest silence within an answer, in seconds.")]
TotalTimeout = Annotated[float | None, typer.Option("--total-timeout", min=0.001, help="Seconds for a whole call.")]


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Add, test and change the places that serve models.")
    group.command("add")(add_)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("test")(test)
    group.command("update")(update)
    group.command("refresh")(refresh)
    group.command("remove")(remove)
    app.add_typer(group, name="providers")


def add_(
    context: typer.Context,
    kind: Annotated[Kind, typer.Option("--kind", help="What it is; custom is any server that speaks OpenAI's API.")],
    name: Annotated[str, typer.Option("--name", help="A short name in small letters; models are called NAME/model.")],
    base_url: BaseUrl = None,
    api_key_stdin: KeyStdin = False,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Save it without calling it; models are then added by hand.")] = False,
    ca_bundle: CaBundle = None,
    connect_timeout: ConnectTimeout = None,
    first_byte_timeout: FirstByteTimeout = None,
    idle_timeout: IdleTimeout = None,
    total_timeout: TotalTimeout = None,
) -> None:
    """Add a provider.

    It is called once for its models; a bad address or secret is refused with the reason, and nothing is saved.
    """
    invocation = of(context)
    # A person who adds a cloud provider is asked; a script says what it wants.
    wanted = api_key_stdin or (kind is Kind.OPENAI and invocation.asks)
    secret = invocation.secret("secret", "--api-key-stdin") if wanted else None
    body = {
        "name": name,
        "kind": kind.value,
        "probe": not no_probe,
        **inputs.given(
            base_url=base_url,
            api_key=secret.reveal() if secret else None,
            ca_bundle=_pem(ca_bundle),
            timeouts=inputs.nested(
                {"connect": connect_timeout, "first_byte": first_byte_timeout, "idle": idle_timeout, "total": total_timeout}
            ),
        ),
    }
    label = f"saving {name}" if no_probe else f"asking {name} for its models"
    with invocation.management() as management, invocation.screen.working(label):
        data = management.post("/api/providers", body)

    def draw(console: "Console") -> None:
        models = data.get("models") or []
        console.print(tables.styled(f"added {figures.clean_line(data['name'])}", "bold green"), f"with {_models(len(models))}")
        for model in models[:10]:
            console.print(f"  {figures.clean_line(model)}")
        if len(models) > 10:
            console.print(f"  and {len(models) - 10} more: sekisho models list --provider {figures.clean_line(data['name'])}")
        if not models:
            console.print(f"add one by hand: sekisho models add {figures.clean_line(data['name'])}/MODEL")

    invocation.screen.result(data, draw)
    invocation.screen.warn(data.get("warnings") or [])


def _models(number: int) -> str:
    return "1 model" if number == 1 else f"{number:,} models"


def _pem(path: Path | None) -> str | None:
    """The text of a bundle of certificates; raises CommandError."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MOST_PEM_BYTES + 1)
    except OSError as error:
        raise CommandError("FILE_UNREADABLE", f"--ca-bundle: {path} cannot be read ({error.strerror}); name a PEM file") from error
    if len(data) > MOST_PEM_BYTES or b"-----BEGIN CERTIFICATE-----" not in data:
        raise usage(f"--ca-bundle: {path} holds no PEM certificates; it begins with -----BEGIN CERTIFICATE-----")
    return data.decode("utf-8", "replace")


def _state(provider: dict[str, Any]) -> "Text":
    return tables.state(provider.get("state") or "ok") if provider.get("enabled", True) else tables.state("off")


def list_(context: typer.Context) -> None:
    """List the providers: the ones you added and the built-in ones."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.pages("/api/providers", "providers", None)

    def draw(console: "Console") -> None:
        if not data["providers"]:
            console.print("no providers yet; add one:  sekisho providers add --kind custom --name up --base-url http://127.0.0.1:8080/v1")
            return
        columns = (
            tables.Column("name", whole=True),
            tables.Column("kind", whole=True, spare=1),
            tables.Column("address"),
            tables.Column("state", whole=True),
            tables.Column("models", right=True),
            tables.Column("secrets", spare=2),
        )
        rows = [
            (
                figures.clean_line(each["name"]),
                figures.clean_line(each.get("kind")),
                figures.clean_line(each.get("base_url")),
                _state(each),
                figures.count(len(each.get("models") or [])),
                figures.joined(f"…{credential['last4']}" for credential in each["credentials"])
                if each.get("credentials")
                else figures.NONE,
            )
            for each in data["providers"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)


def show(context: typer.Context, name: Name) -> None:
    """Show one provider: its address, state and models.

    Of a secret, the last four characters and a fingerprint are shown, to nobody more.
    """
    invocation = of(context)
    with invocation.management() as management:
        data = management.get(f"/api/providers/{inputs.segment(name)}")
    invocation.screen.result(data, lambda console: _draw(console, data, invocation.clock.now()))


def _draw(console: "Console", data: dict[str, Any], now: int) -> None:
    facts: list[tuple[str, str | Text]] = [
        ("name", figures.clean_line(data["name"])),
        ("id", figures.clean_line(data.get("id"))),
        ("kind", figures.clean_line(data.get("kind"))),
        ("address", figures.clean_line(data.get("base_url"))),
        ("state", _state(data)),
        ("created", f"{figures.moment(data.get('created_at'))} ({figures.relative(data.get('created_at'), now)})"),
    ]
    for credential in data.get("credentials") or []:
        words = f"…{credential.get('last4')}  fingerprint {credential.get('fingerprint')}  weight {credential.get('weight')}"
        facts.append(("secret", figures.clean_line(f"{words}  {credential.get('state')}")))
    facts.append(("models", figures.joined(data.get("models"))))
    console.print(tables.facts(facts))


def test(context: typer.Context, name: Name) -> None:
    """Call a provider now and say whether it answers.

    Exits with 1 where it does not.
    """
    invocation = of(context)
    with invocation.management() as management, invocation.screen.working(f"asking {name}"):
        data = management.post(f"/api/providers/{inputs.segment(name)}/test")

    def draw(console: "Console") -> None:
        if data["ok"]:
            took = figures.duration_ms(data.get("latency_ms"))
            console.print(
                tables.styled("ok", "bold green"),
                f"{figures.clean_line(name)} answers in {took} and has {_models(data.get('models') or 0)}",
            )
        else:
            console.print(tables.styled("failed", "bold red"), f"{figures.clean_line(name)}: {figures.clean_line(data.get('error'))}")

    invocation.screen.result(data, draw)
    if not data["ok"]:
        raise typer.Exit(1)


def update(
    context: typer.Context,
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", help="A new name; its models are then called after it.")] = None,
    base_url: BaseUrl = None,
    api_key_stdin: KeyStdin = False,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether its models are served.")] = None,
    ca_bundle: CaBundle = None,
    connect_timeout: ConnectTimeout = None,
    first_byte_timeout: FirstByteTimeout = None,
    idle_timeout: IdleTimeout = None,
    total_timeout: TotalTimeout = None,
) -> None:
    """Change a provider; what is not named stays as it is."""
    invocation = of(context)
    secret = invocation.secret("secret", "--api-key-stdin") if api_key_stdin else None
    body = inputs.given(
        name=new_name,
        base_url=base_url,
        api_key=secret.reveal() if secret else None,
        enabled=enabled,
        ca_bundle=_pem(ca_bundle),
        timeouts=inputs.nested(
            {"connect": connect_timeout, "first_byte": first_byte_timeout, "idle": idle_timeout, "total": total_timeout}
        ),
    )
    if not body:
        raise usage("nothing to change; name it, such as: --base-url http://127.0.0.1:8081/v1")
    with invocation.management() as management, invocation.screen.working(f"changing {name}"):
        data = management.patch(f"/api/providers/{inputs.segment(name)}", body)

    def draw(console: "Console") -> None:
        console.print(tables.styled(f"changed {figures.clean_line(data.get('name', name))}", "bold green"))
        _draw(console, data, invocation.clock.now())

    invocation.screen.result(data, draw)
    invocation.screen.warn(data.get("warnings") or [])


def refresh(context: typer.Context, name: Name) -> None:
    """Fetch a provider's list of models again."""
    invocation = of(context)
    with invocation.management() as management, invocation.screen.working(f"asking {name} for its models"):
        data = management.post(f"/api/providers/{inputs.segment(name)}/refresh")

    def draw(console: "Console") -> None:
        models = data.get("models")
        number = len(models) if isinstance(models, list) else models or 0
        console.print(f"{figures.clean_line(name)} has {_models(number)}")

    invocation.screen.result(data, draw)
    invocation.screen.warn(data.get("warnings") or [])


def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a provider, its secrets and its models.

    The records of its calls stay.
    """
    invocation = of(context)
    if invocation.asks:
        invocation.confirm(f"Remove provider {figures.clean_line(name)} with its secrets and models?", yes)
    with invocation.management() as management:
        data = management.delete(f"/api/providers/{inputs.segment(name)}")
    invocation.screen.result(data, lambda console: console.print(f"removed {figures.clean_line(name)}"))
    invocation.screen.warn(data.get("warnings") or [])
