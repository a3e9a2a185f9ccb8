"""Configuration as code: changed by a file while the product runs, served at once, exported, carried to a home where none runs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.support.product import Product
from tests.support.upstream import Upstream

pytestmark = pytest.mark.e2e

SECRET: Final = "sk-planted-0123456789abcdef"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with Product() as product:
        yield product


def sekisho(product: Product, *words: str, stdin: str = "", **environ: str) -> tuple[int, str, str]:
    """Type a command; exit code, stdout, stderr."""
    command = [sys.executable, "-m", "sekisho", *words]
    done = subprocess.run(
        command, env={**product.environment, **environ}, input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def applied(product: Product, path: Path | str, *words: str, stdin: str = "", **environ: str) -> Any:
    """The data of an apply that has to succeed."""
    exit_code, out, err = sekisho(product, "apply", "-f", str(path), *words, stdin=stdin, **environ)
    assert exit_code == 0, err
    assert SECRET not in out + err
    return json.loads(out)["data"]


def test_a_file_is_in_force_when_apply_returns_and_goes_to_another_home(product: Product, upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "up.secret").write_text(SECRET)
    path = tmp_path / "sekisho.yaml"
    path.write_text(
        f"""\
version: 1
providers:
  up:
    kind: custom
    base_url: {upstream.base_url}
    credential: file:up.secret
models:
  up/chat:
    upstream_model: theirs
    rate: {{input_price: 1, output_price: "2"}}
projects:
  shop: {{title: The shop}}
"""
    )
    shown = applied(product, path, "--dry-run")
    assert [each["path"] for each in shown["changes"]] == ["providers.up", "models.up/chat", "projects.shop"]
    assert sekisho(product, "models", "list", "--provider", "up")[1].count("up/chat") == 0
    done = applied(product, path, "--yes")
    assert (done["applied"], done["plan"], done["warnings"]) == (True, shown["plan"], [])

    # In force on the worker, with the secret that the file names, when the command has returned.
    body = {"model": "up/chat", "messages": [{"role": "user", "content": "hello"}]}
    answer = httpx.post(f"{product.base_url}/chat/completions", headers=product.authorization, json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    sent = upstream.requests[-1]
    assert dict(sent.headers)["authorization"] == f"Bearer {SECRET}"
    assert json.loads(sent.body)["model"] == "theirs"

    again = applied(product, path)
    assert (again["applied"], again["changes"]) == (False, [])

    exit_code, exported, err = sekisho(product, "export")
    assert (exit_code, err) == (0, "")
    assert SECRET not in exported
    elsewhere = Product(home=tmp_path / "elsewhere")
    exit_code, out, err = sekisho(elsewhere, "apply", "-f", "-", "--yes", stdin=exported)
    assert (exit_code, out) == (1, "")
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "CREDENTIAL_MISSING"
    carried = applied(elsewhere, "-", "--yes", stdin=exported, UP_API_KEY=SECRET)
    assert [each["path"] for each in carried["changes"]] == ["providers.up", "models.up/chat", "projects.shop"]
    assert sekisho(elsewhere, "export")[1] == exported
    assert applied(elsewhere, "-", "--prune", stdin=exported)["changes"] == []


def test_what_is_refused_changes_nothing(product: Product, tmp_path: Path) -> None:
    before = sekisho(product, "export")[1]
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\nprojects:\n  one: {}\n  two: {members: {nobody@example.org: viewer}}\n")
    exit_code, out, err = sekisho(product, "apply", "-f", str(path), "--yes")
    assert (exit_code, out) == (1, "")
    failure = json.loads(err.splitlines()[-1])["error"]
    assert failure["code"] == "USER_NOT_FOUND"
    assert failure["message"].startswith(f"{path}, line 4: projects.two: ")
    assert sekisho(product, "export")[1] == before
