"""How engines treat connections, and that no client notices: they close them unannounced, and some serve few at a time."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import ALPHA
from tests.support.llama import Llama
from tests.support.patience import within
from tests.support.product import Product
from tests.support.upstream import Close, Pause, Reply, Upstream

pytestmark = pytest.mark.e2e

HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def running() -> Iterator[Product]:
    with Product() as product:
        yield product


@pytest.fixture
def caller(running: Product) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.base_url, headers=running.authorization, timeout=30) as client:
        yield client


def chat(caller: httpx.Client, model: str, **more: Any) -> httpx.Response:
    return caller.post("/chat/completions", json={"model": model, "messages": HELLO, "temperature": 0, **more})


@pytest.mark.parametrize("after", [0.0, 0.001, 0.01, 0.05], ids=str)
def test_an_engine_that_closes_after_an_answer_without_a_word_costs_no_call(
    running: Product, caller: httpx.Client, upstream: Upstream, after: float
) -> None:
    """llama.cpp says `keep-alive` and closes after each stream: the next request may already be on its way."""
    name = f"abrupt-{round(after * 1000)}"
    running.add_provider(name, upstream.base_url)
    upstream.otherwise = lambda request: Reply.stream("a b").then(Pause(after), Close())
    answers = [chat(caller, f"{name}/fake", stream=True) for _ in range(30)]
    assert [answer.status_code for answer in answers] == [200] * 30
    assert all(answer.text.endswith("data: [DONE]\n\n") for answer in answers)


def test_a_reused_connection_that_ends_before_its_answer_is_tried_once_more_on_a_fresh_one(
    running: Product, caller: httpx.Client, upstream: Upstream
) -> None:
    running.add_provider("weary", upstream.base_url)
    upstream.forget()
    upstream.script(Reply.chat("first"), Reply.closed(), Reply.chat("second"))
    assert chat(caller, "weary/fake").json()["choices"][0]["message"]["content"] == "first"
    assert chat(caller, "weary/fake").json()["choices"][0]["message"]["content"] == "second"
    assert len(upstream.calls) == 3


def test_a_fresh_connection_that_ends_before_its_answer_is_not_tried_again(
    running: Product, caller: httpx.Client, upstream: Upstream
) -> None:
    running.add_provider("dead", upstream.base_url)
    upstream.forget()
    upstream.otherwise = lambda request: Reply.closed()
    assert chat(caller, "dead/fake").status_code == 502
    assert len(upstream.calls) == 1


def test_a_burst_at_an_engine_that_serves_few_connections_does_not_wait_for_idle_ones(
    running: Product, caller: httpx.Client, alpha_gguf: Path
) -> None:
    """llama.cpp gives each connection a thread, of which it has eight; an idle one is held for five seconds."""
    with Llama.start(alpha_gguf, alias="few") as engine, ThreadPoolExecutor(24) as pool:
        running.add_provider("few", engine.base_url)
        before = time.monotonic()
        answers = list(pool.map(lambda _: chat(caller, "few/few"), range(24)))
        took = time.monotonic() - before
    assert [answer.json()["choices"][0]["message"]["content"] for answer in answers] == [ALPHA] * 24
    assert took < within(4.0)
