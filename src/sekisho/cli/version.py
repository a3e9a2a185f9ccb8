"""`version`: what runs here. Needs no home and no server."""

import platform
import sys

import typer

import sekisho
from sekisho.cli.invocations import of


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("version")(version)


def version(context: typer.Context) -> None:
    """Show the version of Sekisho, of Python and of the platform."""
    data = {"version": sekisho.__version__, "python": platform.python_version(), "platform": sys.platform}
    of(context).screen.result(
        data, lambda console: console.print(f"sekisho {data['version']} (Python {data['python']}, {data['platform']})")
    )
