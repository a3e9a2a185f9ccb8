"""Every command against the running product, as a user types it; and what they say to each other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.product import Product, alive, eventually
from tests.support.upstream import Upstream

pytestmark = pytest.mark.e2e

CHAT = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with Product() as product:
        yield product


def sekisho(product: Product, *words: str, stdin: str = "", text: bool = False, **environ: str) -> tuple[int, str, str]:
    """Type a command; exit code, stdout, stderr."""
    command = [sys.executable, "-m", "sekisho", *words, "--format", "text" if text else "json"]
    done = subprocess.run(
        command, env={**product.environment, **environ}, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def data(product: Product, *words: str, stdin: str = "") -> Any:
    """The data of a command that must succeed."""
    exit_code, out, err = sekisho(product, *words, stdin=stdin)
    assert exit_code == 0, err
    document = json.loads(out)
    assert document.keys() == {"version", "data"}
    return document["data"]


def error(product: Product, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Exit code, code and message of a command that must fail."""
    exit_code, out, err = sekisho(product, *words, stdin=stdin)
    assert out == ""
    failure = json.loads(err.splitlines()[-1])["error"]
    return exit_code, failure["code"], failure["message"]


def call(product: Product, key: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(product.base_url + "/chat/completions", headers={"authorization": f"Bearer {key}"}, json=body, timeout=30)


def test_status_names_processes_that_live(product: Product) -> None:
    status = data(product, "status")
    assert product.process is not None
    assert status["supervisor"] == product.process.pid
    assert all(alive(pid) for pid in (status["supervisor"], status["node"], *status["workers"]))
    assert status["ports"] == {"gateway": product.port, "console": product.console_port}
    assert status["journal_lag_s"] >= 0
    _, shown, _ = sekisho(product, "status", text=True)
    assert f"pid {status['node']}" in shown


def test_a_key_lives_from_create_to_revoke(product: Product) -> None:
    flags = ("--rpm", "60", "--tpm", "100000", "--concurrency", "4", "--models", "sandbox/*", "--expires", "30d")
    made = data(product, "api-keys", "create", "--label", "life", *flags)
    assert call(product, made["plain_key"], CHAT).status_code == 200
    shown = data(product, "api-keys", "show", made["id"])
    assert (shown["label"], shown["rpm"], shown["models"]) == ("life", 60, ["sandbox/*"])
    assert made["plain_key"] not in json.dumps(data(product, "api-keys", "list"))
    rotated = data(product, "api-keys", "rotate", made["id"])
    assert rotated["id"] == rotated["old_key_id"] == made["id"]
    assert call(product, made["plain_key"], CHAT).status_code == 401
    assert call(product, rotated["plain_key"], CHAT).status_code == 200
    assert data(product, "api-keys", "revoke", made["id"])["revoked"] is True
    assert call(product, rotated["plain_key"], CHAT).status_code == 401
    _, listed, _ = sekisho(product, "api-keys", "list", text=True)
    assert any(made["id"] in line and "revoked" in line for line in listed.splitlines())
    assert error(product, "api-keys", "show", "nobody")[0] == 1


def test_a_provider_lives_from_add_to_remove(product: Product, upstream: Upstream) -> None:
    added = data(
        product,
        "providers",
        "add",
        "--kind",
        "custom",
        "--name",
        "up",
        "--base-url",
        upstream.base_url,
        "--api-key-stdin",
        stdin="sk-upstream-0123456789abcdef-1234\n",
    )
    assert added["models"]
    assert added["credentials"][0]["last4"] == "1234"
    assert upstream.requests[0].header("authorization") == "Bearer sk-upstream-0123456789abcdef-1234"
    model = added["models"][0]
    assert data(product, "providers", "test", "up")["ok"] is True
    assert data(product, "models", "set-rate", model, "--input-price", "0.15", "--output-price", "0.60")
    listed = {each["id"]: each for each in data(product, "models", "list", "--provider", "up")["models"]}
    assert model in listed
    _, shown, _ = sekisho(product, "models", "list", "--provider", "up", text=True)
    assert "$0.15" in shown
    assert data(product, "models", "add", "up/by-hand", "--input-price", "1", "--output-price", "2")["id"] == "up/by-hand"
    key = data(product, "api-keys", "create", "--label", "up")
    assert call(product, key["plain_key"], {**CHAT, "model": model}).status_code == 200
    assert data(product, "providers", "refresh", "up")
    assert data(product, "providers", "update", "up", "--disable")["enabled"] is False
    assert call(product, key["plain_key"], {**CHAT, "model": model}).status_code in (403, 404, 503)
    assert data(product, "models", "remove", "up/by-hand") is not None
    data(product, "providers", "remove", "up")
    assert error(product, "providers", "show", "up")[0] == 1
    assert "up" not in [each["name"] for each in data(product, "providers", "list")["providers"]]


def test_an_unreachable_provider_is_refused_and_nothing_is_saved(product: Product) -> None:
    words = ("providers", "add", "--kind", "custom", "--name", "down", "--base-url", "http://127.0.0.1:9/v1")
    assert error(product, *words)[0] == 1
    assert error(product, "providers", "show", "down")[0] == 1
    assert data(product, *words, "--no-probe")["name"] == "down"
    assert sekisho(product, "providers", "test", "down")[0] == 1
    data(product, "providers", "remove", "down")


def test_calls_are_seen(product: Product) -> None:
    key = data(product, "api-keys", "create", "--label", "calls")
    before = data(product, "calls", "count", "--key", key["id"])["count"]
    assert before == 0
    assert call(product, key["plain_key"], CHAT).status_code == 200
    assert call(product, key["plain_key"], {**CHAT, "model": "sandbox/error-503"}).status_code == 503
    eventually(lambda: data(product, "calls", "count", "--key", key["id"])["count"] == 2, "two recorded calls")
    assert data(product, "calls", "count", "--key", key["id"], "--status", "failed") == {"count": 1, "exact": True}
    first = data(product, "calls", "list", "--key", key["id"], "--limit", "1")
    second = data(product, "calls", "list", "--key", key["id"], "--limit", "1", "--cursor", first["next_cursor"])
    assert [page["calls"][0]["http_status"] for page in (first, second)] == [503, 200]
    assert second["next_cursor"] is None
    whole = data(product, "calls", "show", second["calls"][0]["id"])
    assert whole["model"] == "sandbox/echo"
    assert data(product, "calls", "show", whole["request_id"])["id"] == whole["id"]
    report = data(product, "usage", "--period", "24h", "--by", "key")
    assert report["totals"]["calls"] >= 2
    for words in (("calls", "list"), ("calls", "show", whole["id"]), ("usage",)):
        exit_code, out, err = sekisho(product, *words, text=True)
        assert (exit_code, err) == (0, "")
        assert "sandbox/echo" in out


def test_tail_shows_a_call_as_it_is_recorded(product: Product) -> None:
    key = data(product, "api-keys", "create", "--label", "tail")
    command = [sys.executable, "-m", "sekisho", "calls", "tail", "--key", key["id"], "--interval", "0.1"]
    with subprocess.Popen(command, env=product.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            # Calls are made until one is seen: tail tells nothing of the moment from which it watches.
            os.set_blocking(process.stdout.fileno(), False)

            def seen() -> str:
                assert call(product, key["plain_key"], CHAT).status_code == 200
                return process.stdout.readline() if process.stdout else ""

            line = eventually(seen, "a line of tail", 20)
        finally:
            process.terminate()
    assert json.loads(line)["data"]["key_id"] == key["id"]


def test_chat_streams_through_the_gateway(product: Product) -> None:
    key = data(product, "api-keys", "create", "--label", "chat")["plain_key"]
    words = ("chat", "--model", "sandbox/echo", "say this")
    assert sekisho(product, *words, text=True, SEKISHO_API_KEY=key) == (0, "say this\n", "")
    assert sekisho(product, *words, "--key-stdin", stdin=key + "\n", text=True)[1] == "say this\n"
    document = data(product, *words, "--key-stdin", stdin=key + "\n")
    assert (document["content"], document["model"]) == ("say this", "sandbox/echo")
    exit_code, code, message = error(product, "chat", "--model", "sandbox/error-429", "x", "--key-stdin", stdin=key + "\n")
    assert exit_code == 1
    assert code
    assert message
    assert error(product, *words, "--key-stdin", stdin="sk-sek-none-x\n")[0] == 1


def test_settings_are_those_in_force(product: Product) -> None:
    assert data(product, "config", "get", "gateway.port") == {"key": "gateway.port", "value": product.port, "source": "--port"}
    assert data(product, "config", "list")["config"]["console.port"] == product.console_port


def test_health(product: Product) -> None:
    assert data(product, "check")["ok"] is True
    assert data(product, "doctor")["ok"] is True
    assert data(product, "reload")["accepted"] is True


def test_a_backup_brings_back_what_was(tmp_path: Path) -> None:
    product = Product(home=tmp_path / "home")
    with product:
        kept = data(product, "api-keys", "create", "--label", "kept")
        assert call(product, kept["plain_key"], CHAT).status_code == 200
        eventually(lambda: data(product, "calls", "count")["count"] == 1, "a record")
        made = data(product, "backup", "create", "--path", str(tmp_path / "kept.sekisho-backup"))
        assert (made["calls"], made["keys"]) == (1, 2)
        later = data(product, "api-keys", "create", "--label", "later")
        assert error(product, "backup", "restore", made["path"], "--yes")[:2] == (1, "SERVER_RUNNING")
        assert data(product, "stop")["stopped"] is True
        product.wait_exit()
        assert error(product, "status")[:2] == (1, "NOT_RUNNING")
        assert data(product, "backup", "verify", made["path"])["ok"] is True
        assert error(product, "backup", "restore", made["path"])[:2] == (1, "USAGE")
        restored = data(product, "backup", "restore", made["path"], "--yes")
        assert (restored["calls"], restored["keys"]) == (1, 2)
        assert Path(restored["safety_copy"]).exists()
        labels = {key["label"] for key in data(product, "api-keys", "list")["api_keys"]}
        assert labels == {"first key", "kept"}
        product.start()
        assert call(product, kept["plain_key"], CHAT).status_code == 200
        assert call(product, later["plain_key"], CHAT).status_code == 401
