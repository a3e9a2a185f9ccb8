"""A part that is missing skips its tests with a reason; where `SEKISHO_TEST_REQUIRE` names it (or says `all`), it fails them.

`all,-mounting` is all but what a container may forbid.
"""

import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def required(part: str) -> bool:
    """Whether the environment says that this part must be there."""
    wanted = {word.strip() for word in os.environ.get("SEKISHO_TEST_REQUIRE", "").split(",")}
    return part in wanted or ("all" in wanted and f"-{part}" not in wanted)


def need(part: str, *, present: bool, remedy: str) -> None:
    """Go on where the part is present; else skip, or fail where it is required."""
    if present:
        return
    reason = f"{part} is not here; {remedy}"
    if required(part):
        pytest.fail(f"SEKISHO_TEST_REQUIRE asks for it, but {reason}", pytrace=False)
    pytest.skip(reason)


def module(name: str) -> None:
    """Need a Python package."""
    need(name, present=importlib.util.find_spec(name) is not None, remedy=f"install the Python package {name}")


def program(name: str) -> None:
    """Need a program on the path."""
    need(name, present=shutil.which(name) is not None, remedy=f"install the program {name}")


def mounting() -> None:
    """Need the right to mount a file system: root has it, but not in every container."""
    need("mounting", present=_can_mount(), remedy="run this as root, where mounting is allowed")


@functools.cache
def _can_mount() -> bool:
    with tempfile.TemporaryDirectory() as place:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False).returncode == 0
        if mounted:
            subprocess.run(["umount", place], check=True)
    return mounted


def postgresql() -> None:
    """Need PostgreSQL's server programs, which Debian keeps beside the path."""
    found = shutil.which("initdb") is not None or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    need("postgresql", present=found, remedy="install PostgreSQL's server (Debian: the package postgresql)")


def chromium() -> None:
    """Need Debian's Chromium and the means to drive it."""
    module("playwright")
    program("chromium")


def llama() -> None:
    """Need llama.cpp's server and the means to make a model for it."""
    module("xllamacpp")
    module("gguf")
