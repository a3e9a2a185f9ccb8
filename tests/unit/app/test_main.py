"""Which command lines take the light path."""

import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.__main__ import serve_flags

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ([], {}),
        (["--port", "5000"], {"gateway.port": "5000"}),
        (["--port=5000", "--workers", "2", "--insecure"], {"gateway.port": "5000", "workers.count": "2", "console.insecure": "true"}),
        (["--host", "::1", "--console-host=::1", "--console-port", "1", "--home", "/h"],
         {"gateway.host": "::1", "console.host": "::1", "console.port": "1", "home": "/h"}),
        (["--help"], None),
        (["--port"], None),
        (["--prot", "1"], None),
        (["--insecure=yes"], None),
        (["extra"], None),
    ],
)  # fmt: skip
def test_the_flags_of_serve(arguments: list[str], flags: dict[str, str] | None) -> None:
    assert serve_flags(arguments) == flags


@pytest.mark.parametrize("module", ["sekisho.app.starts", "sekisho.telemetry.logs"])
def test_what_has_to_be_quick_imports_nothing_heavy(module: str) -> None:
    heavy = "fastapi, starlette, pydantic, sqlalchemy, alembic, uvicorn, httpx, typer, rich, cryptography"
    code = f"import sys, {module}; print([name for name in '{heavy}'.split(', ') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT / "src")}, check=True
    )
    assert done.stdout == "[]\n"
