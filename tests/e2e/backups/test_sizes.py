"""A hundred thousand calls: backed up and restored within a minute, with a bar that shows how far it is."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.e2e.backups.busy import MANY, fill
from tests.support.product import Product

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MOST_SECONDS = 60.0


def on_a_terminal(product: Product, *arguments: str) -> str:
    """Everything that a command shows on a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**product.environment, "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-m", "sekisho", *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:
            pass  # the other end is closed
        finally:
            os.close(ours)
    assert process.returncode == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_hundred_thousand_calls(tmp_path: Path) -> None:
    product = Product(tmp_path / "home")
    product.cli("init")
    fill(product.home / "sekisho.db")
    took = {}
    began = time.monotonic()
    backup = product.cli("backup", "create", timeout=MOST_SECONDS)
    took["create"] = time.monotonic() - began
    began = time.monotonic()
    shown = on_a_terminal(product, "backup", "restore", backup["path"], "--yes")
    took["restore"] = time.monotonic() - began
    print({name: round(seconds, 1) for name, seconds in took.items()}, f"{backup['bytes'] / 1e6:.1f} MB")
    assert max(took.values()) < MOST_SECONDS
    assert backup["calls"] == MANY
    # Of how many it is, told more than once on the way.
    told = [(int(done), int(rows)) for done, rows in re.findall(r"(\d+)/(\d+)", shown) if int(rows) > MANY]
    assert len(set(told)) > 3, shown[-2000:]
    assert told[-1][0] == told[-1][1]
    assert "restored" in shown
    assert product.cli("check")["ok"] is True
