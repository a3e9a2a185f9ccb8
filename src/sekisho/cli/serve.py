"""`serve`: hands its flags to the supervisor and knows nothing else of it. Nothing heavy is imported on this way."""

from typing import Annotated

import typer

from sekisho.cli.invocations import of


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address of the gateway. Default: 127.0.0.1.")] = None,
    port: Annotated[str | None, typer.Option("--port", help="Port of the gateway. Default: 4000.")] = None,
    https_port: Annotated[
        str | None, typer.Option("--https-port", help="Port of the gateway's TLS. Default: the port behind the gateway's, or 4443.")
    ] = None,
    console_host: Annotated[
        str | None, typer.Option("--console-host", help="Address of the console and the API. Default: 127.0.0.1.")
    ] = None,
    console_port: Annotated[str | None, typer.Option("--console-port", help="Port of the console and the API. Default: 4001.")] = None,
    tls: Annotated[
        str | None, typer.Option("--tls", help="local-http, dev-selfsigned, packaged-ca or files. Default: local-http, which is none.")
    ] = None,
    tls_certificate: Annotated[str | None, typer.Option("--tls-certificate", help="The chain in PEM, for --tls files.")] = None,
    tls_key: Annotated[str | None, typer.Option("--tls-key", help="Its key in PEM, for --tls files.")] = None,
    workers: Annotated[str | None, typer.Option("--workers", help="Processes that serve calls. Default: 1.")] = None,
    log_level: Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error. Default: info.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept that the console is served in plain HTTP beyond this host.")] = False,
) -> None:
    """Start the server.

    That is one node, its workers, and the supervisor that looks after them. It ends with Ctrl-C or `sekisho stop`.
    Each flag overrides sekisho.toml and the environment for this run.
    """
    from sekisho.app import starts

    given = {
        "gateway.host": host,
        "gateway.port": port,
        "gateway.https_port": https_port,
        "console.host": console_host,
        "console.port": console_port,
        "tls.mode": tls,
        "tls.certificate": tls_certificate,
        "tls.key": tls_key,
        "workers.count": workers,
        "logs.level": log_level,
        "console.insecure": "true" if insecure else None,
    }
    flags = {name: value for name, value in given.items() if value is not None}
    invocation = of(context)
    if not invocation.screen.is_text:
        invocation.loaded(flags)  # told here, a bad setting is told in the chosen format
    raise typer.Exit(starts.run({**invocation.flags, **flags}))
