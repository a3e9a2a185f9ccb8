"""`models`: what the gateway offers, and what it costs. Prices are in USD per million tokens."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.cli import figures, inputs, tables
from sekisho.cli.failures import usage
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console

Id = Annotated[str, typer.Argument(metavar="ID", help="provider/model, such as up/gpt-x.")]
InputPrice = typer.Option("--input-price", help="USD per million input tokens, such as 0.15.")
OutputPrice = typer.Option("--output-price", help="USD per million output tokens, such as 0.60.")
CachedPrice = typer.Option("--cached-input-price", help="USD per million cached input tokens. Default: as other input.")


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="List, add and price models.")
    group.command("list")(list_)
    group.command("add")(add_)
    group.command("remove")(remove)
    group.command("set-rate")(set_rate)
    app.add_typer(group, name="models")


def list_(
    context: typer.Context,
    provider: Annotated[str | None, typer.Option("--provider", help="Only the models of this provider.")] = None,
) -> None:
    """List the models with their prices.

    A model without a price is served and marked unpriced, never counted as free.
    """
    invocation = of(context)
    with invocation.management() as management:
        data = management.pages("/api/models", "models", None)
    if provider is not None:
        data["models"] = [each for each in data["models"] if each.get("provider") == provider]

    def draw(console: "Console") -> None:
        if not data["models"]:
            console.print(
                "no models here; add a provider:  sekisho providers add --kind custom --name up --base-url http://127.0.0.1:8080/v1"
            )
            return
        columns = (
            tables.Column("model", whole=True),
            tables.Column("serves", spare=1),
            tables.Column("context", right=True, spare=3),
            tables.Column("input / M", right=True),
            tables.Column("cached / M", right=True, spare=2),
            tables.Column("output / M", right=True),
        )
        rows = []
        for each in data["models"]:
            rate = _rate(each)
            currency = rate.get("currency", "USD")
            rows.append(
                (
                    figures.clean_line(each["id"]),
                    figures.joined(each.get("capabilities")),
                    figures.count(each.get("context_length")),
                    figures.price(rate.get("input_price"), currency) if rate else tables.styled("unpriced", "dim"),
                    figures.price(rate.get("cached_input_price"), currency),
                    figures.price(rate.get("output_price"), currency),
                )
            )
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)


def _rate(model: dict[str, Any]) -> dict[str, Any]:
    """The prices of a model, which stand in it or in its `rate`; empty where it has none."""
    held = model.get("rate") or model
    names = ("input_price", "output_price", "cached_input_price")
    return (
        {**{name: held.get(name) for name in names}, "currency": held.get("currency") or "USD"}
        if held.get("input_price") is not None
        else {}
    )


def add_(
    context: typer.Context,
    model: Id,
    input_price: Annotated[str | None, InputPrice] = None,
    output_price: Annotated[str | None, OutputPrice] = None,
    cached_input_price: Annotated[str | None, CachedPrice] = None,
    upstream_model: Annotated[
        str | None, typer.Option("--upstream-model", help="Its name at the provider. Default: the part after the slash.")
    ] = None,
    capabilities: Annotated[
        str | None, typer.Option("--capabilities", help="What it serves, with commas: chat,completions,embeddings.")
    ] = None,
    context_length: Annotated[int | None, typer.Option("--context-length", min=1, help="Tokens that it can take.")] = None,
) -> None:
    """Add a model to a provider, or name one that the provider does not list."""
    invocation = of(context)
    if (input_price is None) is not (output_price is None):
        raise usage("give both prices, --input-price and --output-price, or none")
    body = {
        "id": model,
        **inputs.given(
            upstream_model=upstream_model,
            input_price=inputs.price(input_price, "--input-price"),
            output_price=inputs.price(output_price, "--output-price"),
            cached_input_price=inputs.price(cached_input_price, "--cached-input-price"),
            capabilities=inputs.words(capabilities),
            context_length=context_length,
        ),
    }
    with invocation.management() as management:
        data = management.post("/api/models", body)
    invocation.screen.result(data, lambda console: console.print(tables.styled(f"added {figures.clean_line(data['id'])}", "bold green")))
    invocation.screen.warn(data.get("warnings") or [])


def remove(context: typer.Context, model: Id) -> None:
    """Remove a model; the records of its calls stay."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.delete(f"/api/models/{inputs.model_path(model)}")
    invocation.screen.result(data, lambda console: console.print(f"removed {figures.clean_line(model)}"))
    invocation.screen.warn(data.get("warnings") or [])


def set_rate(
    context: typer.Context,
    model: Id,
    input_price: Annotated[str, InputPrice],
    output_price: Annotated[str, OutputPrice],
    cached_input_price: Annotated[str | None, CachedPrice] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="Three letters. Default: USD.")] = None,
) -> None:
    """Set what a model costs.

    Calls made from now on are priced with it; recorded ones keep their cost.
    """
    invocation = of(context)
    body = inputs.given(
        input_price=inputs.price(input_price, "--input-price"),
        output_price=inputs.price(output_price, "--output-price"),
        cached_input_price=inputs.price(cached_input_price, "--cached-input-price"),
        currency=currency,
    )
    with invocation.management() as management:
        data = management.put(f"/api/models/{inputs.model_path(model)}/rate", body)

    def draw(console: "Console") -> None:
        prices = [f"{figures.price(each, currency or 'USD')} {name}" for each, name in ((input_price, "in"), (output_price, "out"))]
        console.print(f"{figures.clean_line(model)}: {', '.join(prices)} per million tokens")

    invocation.screen.result(data, draw)
    invocation.screen.warn(data.get("warnings") or [])
