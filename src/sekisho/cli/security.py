"""`security`: the certificates of the doors, and the trust in the root that Sekisho made.

`install-ca` shows the exact steps of this system and takes them only where somebody says yes.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sekisho.cli import figures, tables
from sekisho.cli.failures import EXIT_INTERNAL, CommandError
from sekisho.cli.invocations import of

if TYPE_CHECKING:
    from rich.console import Console

INSTALLED: Final = "sekisho-local-ca"
"""The name of the root among the system's authorities."""
STEP_SECONDS: Final = 120
SOON_DAYS: Final = 14


def add(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Certificates of the doors, and trust in the root that Sekisho made.")
    group.command("install-ca")(install_ca)
    group.command("certificates")(certificates)
    app.add_typer(group, name="security")


def certificates(context: typer.Context) -> None:
    """List the certificates of the doors, and when they end."""
    invocation = of(context)
    with invocation.management() as management:
        data = management.get("/api/certificates")

    def draw(console: "Console") -> None:
        if not data["certificates"] and not data["faults"]:
            console.print("no certificates; turn TLS on with:  sekisho serve --tls dev-selfsigned")
            return
        columns = (
            tables.Column("role", whole=True),
            tables.Column("mode", whole=True),
            tables.Column("state", whole=True),
            tables.Column("expires", right=True),
            tables.Column("names", spare=1),
            tables.Column("sha-256", spare=3),
            tables.Column("file", spare=2),
        )
        rows = [
            (
                each["role"],
                each["mode"],
                tables.state(_state(each)),
                f"{figures.moment(each['expires_at'])} ({each['days_left']} d)",
                figures.joined(each["names"], "-"),
                each["fingerprint_sha256"][:16],
                figures.clean_line(each["path"]),
            )
            for each in data["certificates"]
        ]
        console.print(tables.table(columns, rows, within=console.width))

    invocation.screen.result(data, draw)
    invocation.screen.warn([f"{each['path']}: {each['message']}" for each in data["faults"]])


def _state(certificate: dict[str, Any]) -> str:
    if certificate["days_left"] < 0:
        return "expired"
    if certificate["days_left"] < SOON_DAYS:
        return "warning"
    return "active" if certificate["in_use"] else "off"


def install_ca(
    context: typer.Context,
    path: Annotated[Path | None, typer.Option("--cert-path", help="Another root than the one of this home, in PEM.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the steps and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Take the steps without asking.")] = False,
) -> None:
    """Let this system trust the root that Sekisho made.

    Shows the exact commands and asks first; they need the rights of an administrator. Whoever has the root's key (root.key in the home)
    could then vouch for any name towards this machine: keep it to yourself.
    """
    invocation = of(context)
    if path is None:
        with invocation.management() as management:
            root = management.get("/api/certificates")["root"]
        if root is None:
            raise CommandError(
                "NO_AUTHORITY", "tls.mode is files: the certificate is of somebody else's authority; name a root with --cert-path"
            )
        path = Path(root)
    steps, undo = commands(path.absolute(), sys.platform)
    data: dict[str, Any] = {
        "path": str(path),
        "exists": path.is_file(),
        "steps": [" ".join(each) for each in steps],
        "undo": [" ".join(each) for each in undo],
        "installed": False,
    }

    def draw(console: "Console") -> None:
        console.print("installed; programs that read the system's authorities trust it now" if data["installed"] else "steps:")
        if not data["installed"]:
            for line in data["steps"]:
                console.print(f"  {line}", soft_wrap=True)
        console.print("to undo it:")
        for line in data["undo"]:
            console.print(f"  {line}", soft_wrap=True)

    if dry_run:
        invocation.screen.result(data, draw)
        if not data["exists"]:
            invocation.screen.note(f"{path} is not there yet; it is made by:  sekisho serve --tls packaged-ca")
        return
    if not data["exists"]:
        raise CommandError("NO_AUTHORITY", f"{path} is not there; it is made by: sekisho serve --tls packaged-ca")
    if invocation.screen.is_text:
        invocation.screen.note("\n".join(["this will run:", *(f"  {line}" for line in data["steps"])]))
    invocation.confirm("Let this system trust that root?", yes)
    for step in steps:
        _take(step)
    data["installed"] = True
    invocation.screen.result(data, draw)


def commands(root: Path, platform: str) -> tuple[list[list[str]], list[list[str]]]:
    """The commands that make a system trust a root, and those that undo it; raises CommandError where we know none."""
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if platform == "darwin":
        keychain = "/Library/Keychains/System.keychain"
        return (
            [[*as_root, "security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain, str(root)]],
            [[*as_root, "security", "remove-trusted-cert", "-d", str(root)]],
        )
    if shutil.which("update-ca-certificates") or Path("/usr/local/share/ca-certificates").is_dir():
        place = f"/usr/local/share/ca-certificates/{INSTALLED}.crt"
        return (
            [[*as_root, "install", "-m", "0644", str(root), place], [*as_root, "update-ca-certificates"]],
            [[*as_root, "rm", place], [*as_root, "update-ca-certificates", "--fresh"]],
        )
    if shutil.which("update-ca-trust") or Path("/etc/pki/ca-trust/source/anchors").is_dir():
        place = f"/etc/pki/ca-trust/source/anchors/{INSTALLED}.pem"
        return (
            [[*as_root, "install", "-m", "0644", str(root), place], [*as_root, "update-ca-trust", "extract"]],
            [[*as_root, "rm", place], [*as_root, "update-ca-trust", "extract"]],
        )
    if shutil.which("trust"):
        return [[*as_root, "trust", "anchor", str(root)]], [[*as_root, "trust", "anchor", "--remove", str(root)]]
    raise CommandError(
        "UNKNOWN_SYSTEM", f"this system keeps its authorities where we do not know; add {root} by its own means, or pass it to each client"
    )


def _take(step: list[str]) -> None:
    try:
        done = subprocess.run(step, capture_output=True, text=True, timeout=STEP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError("STEP_FAILED", f"{' '.join(step)}: {error}", EXIT_INTERNAL) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise CommandError("STEP_FAILED", f"{' '.join(step)} ended with {done.returncode}: {said[-1] if said else 'no word'}")
