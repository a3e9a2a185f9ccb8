"""The same commands while no server runs: the application works inside the command, under the lock of the home."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import Product

pytestmark = pytest.mark.e2e


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """A product that is not started."""
    return Product(home=tmp_path / "home")


def sekisho(product: Product, *words: str, stdin: str = "", **environ: str) -> tuple[int, Any]:
    """Type a command; exit code, and the data or the error."""
    command = [sys.executable, "-m", "sekisho", *words, "--format", "json"]
    done = subprocess.run(
        command, env={**product.environment, **environ}, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, json.loads(done.stdout)["data"] if done.stdout else json.loads(done.stderr.splitlines()[-1])["error"]


def test_init_makes_a_private_home_and_repeats_nothing(product: Product) -> None:
    exit_code, made = sekisho(product, "init")
    assert exit_code == 0
    assert set(made["created"]) == {"settings", "secret_key", "database"}
    assert stat.S_IMODE(product.home.stat().st_mode) == 0o700
    contents = {name: Path(made[name]).read_bytes() for name in ("settings", "secret_key")}
    exit_code, again = sekisho(product, "init")
    assert (exit_code, again["created"]) == (0, [])
    assert {name: Path(made[name]).read_bytes() for name in contents} == contents


def test_what_is_made_offline_serves_online(product: Product) -> None:
    exit_code, key = sekisho(product, "api-keys", "create", "--label", "offline")
    assert exit_code == 0
    words = ("providers", "add", "--kind", "custom", "--name", "up", "--base-url", "http://127.0.0.1:9/v1", "--no-probe", "--api-key-stdin")
    exit_code, provider = sekisho(product, *words, stdin="sk-upstream-0123456789abcdef-5678")
    assert (exit_code, provider["credentials"][0]["last4"]) == (0, "5678")
    assert sekisho(product, "models", "add", "up/x", "--input-price", "1", "--output-price", "2")[0] == 0
    for words in (("calls", "list"), ("calls", "count"), ("usage",), ("check",), ("doctor",), ("models", "list"), ("config", "list")):
        assert sekisho(product, *words)[0] == 0, words
    product.start()
    try:
        found = product.run("chat", "--model", "sandbox/echo", "made offline", "--key-stdin", input=key["plain_key"] + "\n")
        assert json.loads(found.stdout)["data"]["content"] == "made offline"
        assert "up/x" in [each["id"] for each in sekisho(product, "models", "list")[1]["models"]]
    finally:
        product.stop()


def test_commands_that_need_the_server_say_so(product: Product) -> None:
    for words in (("status",), ("stop",), ("reload",), ("calls", "tail"), ("chat", "-m", "sandbox/echo", "x")):
        exit_code, failure = sekisho(product, *words)
        assert (exit_code, failure["code"]) == (1, "NOT_RUNNING"), words


def test_a_lost_secret_key_is_told_and_no_new_one_is_made(product: Product) -> None:
    assert sekisho(product, "init")[0] == 0
    ring = product.home / "secret.key"
    kept = ring.read_bytes()
    ring.unlink()
    exit_code, failure = sekisho(product, "api-keys", "list")
    assert (exit_code, failure["code"]) == (1, "START_FAILED")
    assert "secret.key" in failure["message"]
    assert not ring.exists()
    ring.write_bytes(kept)
    assert sekisho(product, "api-keys", "list")[0] == 0


def test_a_key_in_the_environment_is_no_setting(product: Product) -> None:
    assert sekisho(product, "calls", "count", SEKISHO_API_KEY="sk-sek-x")[0] == 0


def test_a_broken_settings_file_is_told_with_its_place(product: Product) -> None:
    product.home.mkdir()
    (product.home / "sekisho.toml").write_text("[gateway]\nprot = 1\n")
    exit_code, failure = sekisho(product, "calls", "count")
    assert (exit_code, failure["code"]) == (1, "SETTINGS_INVALID")
    assert "did you mean gateway.port" in failure["message"]


def test_commands_that_meet_wait_for_each_other(product: Product) -> None:
    assert sekisho(product, "init")[0] == 0
    command = [sys.executable, "-m", "sekisho", "api-keys", "create", "--label"]
    started = [
        subprocess.Popen([*command, str(number)], env=product.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    ended = [(process.communicate(timeout=90)[1], process.returncode) for process in started]
    assert ended == [("", 0)] * 4
    assert {key["label"] for key in sekisho(product, "api-keys", "list")[1]["api_keys"]} == {"0", "1", "2", "3"}
