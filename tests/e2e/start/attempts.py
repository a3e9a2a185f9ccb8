"""Tries to start the product and says how it ended, with the home's files hashed before and after."""

import contextlib
import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.product import Product, free_ports

TIMEOUT_S: Final = 20.0
"""A start that is refused is refused at once; this is for slow machines."""

VOLATILE: Final = ("run",)
"""What belongs to a running process and not to the installation."""


@dataclass
class Attempt:
    """One start that was tried."""

    exit_code: int
    stdout: str
    stderr: str
    changed: list[str]
    """Files that are no longer as they were before, the missing ones included."""
    added: list[str]

    @property
    def line(self) -> str:
        """The one line on stderr; fails where there is none or more than one."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        assert len(lines) == 1, f"one line, not {len(lines)}:\n{self.stderr}"
        return lines[0]


def fingerprints(home: Path) -> dict[str, str]:
    """SHA-256 of every regular file that lasts."""
    if not home.is_dir():
        return {}
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.relative_to(home).parts[0] not in VOLATILE
    }


def try_start(home: Path, *flags: str, environment: Mapping[str, str] | None = None, ports: bool = True) -> Attempt:
    """Run `sekisho serve` on free ports (unless the flags name them) and wait until it has ended; fails where it goes on running."""
    product = Product(home, environment=environment)
    before = fingerprints(home)
    given = ["--port", str(product.port), "--console-port", str(product.console_port)] if ports else []
    process = subprocess.Popen(
        [sys.executable, "-m", "sekisho", "serve", *given, *flags],
        env=product.environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"it started, and should not have:\n{stdout}\n{stderr}") from None
    after = fingerprints(home)
    return Attempt(
        process.returncode,
        stdout,
        stderr,
        changed=[name for name, digest in before.items() if after.get(name) != digest],
        # Workers begin beside the node, so an empty segment of a start that was refused is no harm; the next start clears it away.
        added=[name for name in after if name not in before and not name.startswith("journal/")],
    )


def make_home(path: Path) -> Path:
    """A home that was used: a key, a provider with a credential, a model, and a call; the product has ended in order."""
    with Product(path) as product:
        product.add_provider("up", f"http://127.0.0.1:{free_ports(1)[0]}/v1", "--no-probe", api_key="sk-secret-of-the-provider")
        product.create_key("first")
    return path


def copy_home(source: Path, target: Path) -> Path:
    """The same home, for one test."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))
    target.chmod(0o700)
    return target
