"""The life of an API with two workers under it: published, called, changed in force at once, switched off, broken, mended, withdrawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from openai import OpenAI

from tests.support.product import Product, eventually
from tests.support.upstream import Upstream

pytestmark = pytest.mark.e2e

WORKERS: Final = 2
CONNECTIONS: Final = 8
"""New connections per look: enough that each worker has taken some."""


@dataclass
class Place:
    """A product with a provider `up`, and the provider."""

    product: Product
    upstream: Upstream

    def cli(self, *words: str) -> Any:
        return self.product.cli("apis", *words)

    def call(self, key: str, name: str, **more: Any) -> httpx.Response:
        """One call over a new connection."""
        body = {"model": name, "messages": [{"role": "user", "content": "why?"}], **more}
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{self.product.origin}/v1/chat/completions", json=body, headers=headers, timeout=30)

    def sent(self, key: str, name: str, **more: Any) -> list[dict[str, Any]]:
        """What the provider got for calls over new connections; all of them succeeded."""
        before = len(self.upstream.calls)
        for _ in range(CONNECTIONS):
            answer = self.call(key, name, **more)
            assert answer.status_code == 200, answer.text
        return [request.json() for request in self.upstream.calls[before:]]

    def codes(self, key: str, name: str) -> set[tuple[int, str]]:
        answers = [self.call(key, name) for _ in range(CONNECTIONS)]
        return {(answer.status_code, answer.json()["error"]["code"]) for answer in answers}

    def listed(self, key: str) -> list[str]:
        with OpenAI(base_url=self.product.base_url, api_key=key, max_retries=0) as client:
            return [model.id for model in client.models.list()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home: Path = tmp_path_factory.mktemp("apis") / "home"
    with Upstream() as upstream, Product(home, workers=WORKERS) as product:
        product.add_provider("up", upstream.base_url)
        product.cli("models", "add", "up/mine", "--input-price", "1", "--output-price", "2")
        yield Place(product, upstream)


def test_the_life_of_an_api(place: Place) -> None:
    cli, product = place.cli, place.product
    made = cli("create", "helper", "--model", "up/mine", "--title", "Helper", "--temperature", "0.5", "--system-prompt", "Be brief.")
    assert (made["state"], made["warnings"]) == ("ready", [])
    key = product.create_key("scoped", "--models", "helper")["plain_key"]
    other = product.create_key("target only", "--models", "up/mine")["plain_key"]

    # Called by its name on every worker, with its defaults; its model is not open to the same key.
    for body in place.sent(key, "helper"):
        assert (body["model"], body["temperature"]) == ("mine", 0.5)
        assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "why?"}]
    assert {body["temperature"] for body in place.sent(key, "helper", temperature=1.5)} == {1.5}
    assert place.codes(key, "up/mine") == {(404, "model_not_found")}
    assert place.codes(other, "helper") == {(404, "model_not_found")}
    assert all("temperature" not in body for body in place.sent(other, "up/mine"))
    assert place.listed(key) == ["helper"]
    assert "helper" not in place.listed(other)
    assert "helper" in place.listed(product.key)

    # Streamed by the vendor's own client; the answer names both.
    with OpenAI(base_url=product.base_url, api_key=key, max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(model="helper", messages=[{"role": "user", "content": "x"}])
        assert (raw.headers["x-sekisho-api"], raw.headers["x-sekisho-model"]) == ("helper", "up/mine")
        text = list(client.chat.completions.create(model="helper", messages=[{"role": "user", "content": "x"}], stream=True))
        assert len(text) > 1

    # Changed: in force on all workers when the command returns, and without a restart.
    pids = product.status()["workers"]
    changed = cli("set", "helper", "--model", "sandbox/echo", "--unset", "temperature")
    # Whoever had not acknowledged within a second would be named.
    assert changed["warnings"] == []
    assert {place.call(key, "helper").headers["x-sekisho-model"] for _ in range(CONNECTIONS)} == {"sandbox/echo"}
    cli("set", "helper", "--model", "up/mine", "--max-tokens", "7")
    for body in place.sent(key, "helper"):
        assert body["max_tokens"] == 7
        assert "temperature" not in body
    assert product.status()["workers"] == pids

    # Switched off it says so to who may call it, and is as unknown as ever to who may not.
    cli("set", "helper", "--disable")
    assert "switched off" in place.call(key, "helper").json()["error"]["message"]
    assert place.codes(key, "helper") == {(404, "model_not_found")}
    assert "switched off" not in place.call(other, "helper").json()["error"]["message"]
    assert place.listed(key) == []
    cli("set", "helper", "--enable")
    place.sent(key, "helper")

    # Its provider goes: one clear error, told in the management API; and back again.
    product.cli("providers", "update", "up", "--disable")
    assert place.codes(key, "helper") == {(503, "api_broken")}
    assert (cli("show", "helper")["state"], place.listed(key)) == ("broken", [])
    product.cli("providers", "update", "up", "--enable")
    place.sent(key, "helper")

    # The records name the API and the model that served.
    calls = eventually(lambda: [each for each in product.calls() if each["api"] == "helper"], "records of the API")
    assert {(each["model"], each["provider"]) for each in calls} == {("up/mine", "up"), ("sandbox/echo", "sandbox")}

    cli("delete", "helper")
    assert place.codes(key, "helper") == {(404, "model_not_found")}
    assert place.listed(product.key).count("helper") == 0
    assert product.run("apis", "show", "helper").returncode == 1


def test_a_worker_that_starts_later_knows_the_apis(place: Place) -> None:
    product = place.product
    place.cli("create", "kept", "--model", "up/mine", "--seed", "5")
    key = product.create_key("kept", "--models", "kept")["plain_key"]
    product.kill_worker()
    eventually(lambda: len(product.status()["workers"]) == WORKERS or None, "the second worker again", 30)
    assert {body["seed"] for body in place.sent(key, "kept")} == {5}
