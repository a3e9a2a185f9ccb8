"""One Sekisho with three real llama.cpp engines behind it: the built-in one and two `custom` providers, each behind a tap.

Each engine says a sentence of its own, so an answer tells which engine gave it. Responses are validated strictly by the SDK.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.conftest import ALPHA, BETA, BUILTIN
from tests.support.llama import Llama
from tests.support.product import Product, eventually
from tests.support.tap import Exchange, Tap


@dataclass(frozen=True)
class Engine:
    """A model as a client names it, what it says, and the tap in front of it where there is one."""

    model: str
    sentence: str
    tap: Tap | None = None

    @property
    def provider(self) -> str:
        return self.model.split("/", 1)[0]

    @property
    def upstream_model(self) -> str:
        return self.model.split("/", 1)[1]


@dataclass(frozen=True)
class House:
    """The running product and its engines by provider name."""

    product: Product
    engines: Mapping[str, Engine]

    def client(self, api_key: str | None = None, *, strict: bool = True, base_url: str | None = None, **more: Any) -> openai.OpenAI:
        """An SDK client that never tries twice; `strict` makes it check each response against the API's schema."""
        return openai.OpenAI(
            base_url=base_url or self.product.base_url,
            api_key=api_key or self.product.key,
            max_retries=0,
            timeout=30,
            _strict_response_validation=strict,
            **more,
        )

    def api(self, path: str) -> httpx.Response:
        """An answer of the management API to the local owner."""
        transport = httpx.HTTPTransport(uds=str(self.product.home / "run" / "node.sock"))
        with httpx.Client(transport=transport, base_url="http://node") as client:
            return client.get(path)

    def record(self, request_id: str | None) -> dict[str, Any]:
        """The record of one call, once it is written."""
        assert request_id

        def found() -> dict[str, Any] | None:
            answer = self.api(f"/api/calls/{request_id}")
            return dict(answer.json()) if answer.status_code == 200 else None

        return eventually(found, f"the record of {request_id}", 15)

    def refusal(self, request_id: str | None) -> dict[str, Any]:
        """The record of a request that no engine saw."""
        assert request_id

        def found() -> dict[str, Any] | None:
            refusals = self.api("/api/refusals?limit=1000").json()["refusals"]
            return next((each for each in refusals if each["request_id"] == request_id), None)

        return eventually(found, f"the refusal {request_id}", 15)


@pytest.fixture(scope="session")
def house(alpha: Llama, beta: Llama, builtin_gguf: Path) -> Iterator[House]:
    with (
        Tap("127.0.0.1", alpha.port) as north,
        Tap("127.0.0.1", beta.port) as south,
        Product(models={"tiny.gguf": builtin_gguf}) as product,
    ):
        product.add_provider("north", north.base_url, api_key="alpha-secret-key")
        product.add_provider("south", south.base_url)
        engines = (Engine("builtin/tiny", BUILTIN), Engine("north/alpha", ALPHA, north), Engine("south/beta", BETA, south))
        yield House(product, {engine.provider: engine for engine in engines})


@pytest.fixture(params=["builtin", "north", "south"])
def engine(request: pytest.FixtureRequest, house: House) -> Engine:
    """Each engine in turn."""
    return house.engines[request.param]


@pytest.fixture(params=["north", "south"])
def tapped(request: pytest.FixtureRequest, house: House) -> Engine:
    """Each engine that has a tap."""
    return house.engines[request.param]


@pytest.fixture
def client(house: House) -> Iterator[openai.OpenAI]:
    """The SDK with the first key, strict."""
    with house.client() as client:
        yield client


@pytest.fixture
def lenient(house: House) -> Iterator[openai.OpenAI]:
    """The same without strict validation, for answers of which the SDK's own schema knows less than its types do."""
    with house.client(strict=False) as client:
        yield client


class Watch:
    """The exchanges that a tap sees from here on."""

    def __init__(self, tap: Tap | None) -> None:
        assert tap is not None
        self._tap = tap
        self._before = len(tap.calls)

    @property
    def calls(self) -> list[Exchange]:
        return self._tap.calls[self._before :]

    @property
    def only(self) -> Exchange:
        (call,) = self.calls
        return call


def usage_of(exchange: Exchange) -> dict[str, int]:
    """The token counts in what an engine answered, as the record names them."""
    assert exchange.response is not None
    if exchange.response.body.startswith(b"data:"):
        values = [json.loads(event) for event in exchange.response.events() if event != "[DONE]"]
        (usage,) = [value["usage"] for value in values if value.get("usage")]
    else:
        usage = exchange.response.json()["usage"]
    return {
        "input_tokens": usage["prompt_tokens"],
        "output_tokens": usage.get("completion_tokens", 0),
        "cached_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
    }


def close_to(values: list[float]) -> Callable[[list[float]], bool]:
    """Whether vectors are the same but for rounding."""
    return lambda others: len(values) == len(others) and all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(values, others, strict=True))
