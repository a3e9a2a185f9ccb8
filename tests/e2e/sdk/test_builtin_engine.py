"""The built-in engine as part of the product: a file dropped in, a server that is killed, a node that is killed, an end in order."""

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.conftest import ALPHA, BETA
from tests.support.product import Product, alive, descendants, eventually

pytestmark = pytest.mark.e2e

HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def running(alpha_gguf: Path) -> Iterator[Product]:
    with Product(models={"alpha.gguf": alpha_gguf}) as product:
        yield product


def servers(product: Product) -> list[int]:
    """The processes of the built-in engine."""
    assert product.process is not None
    return descendants(product.process.pid, running="engines/child.py")


def say(product: Product, model: str) -> str | None:
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0, timeout=30) as client:
        return client.chat.completions.create(model=model, messages=HELLO, temperature=0).choices[0].message.content


def listed(product: Product) -> set[str]:
    with openai.OpenAI(base_url=product.base_url, api_key=product.key, max_retries=0, timeout=30) as client:
        return {model.id for model in client.models.list()}


def test_a_home_with_nothing_but_models_is_an_empty_home(running: Product) -> None:
    assert running.key
    assert servers(running) == [], "it sleeps until the first use"
    assert say(running, "builtin/alpha") == ALPHA
    assert len(servers(running)) == 1


def test_a_file_that_is_dropped_in_appears_and_answers(running: Product, beta_gguf: Path) -> None:
    shutil.copy(beta_gguf, running.home / "models" / "beta v2.gguf")
    eventually(lambda: "builtin/beta v2" in listed(running), "the model in the list")
    assert say(running, "builtin/beta v2") == BETA
    (running.home / "models" / "beta v2.gguf").unlink()
    eventually(lambda: "builtin/beta v2" not in listed(running), "the model out of the list")
    eventually(lambda: not servers(running), "the end of its server")


def test_a_killed_server_comes_back(running: Product) -> None:
    assert say(running, "builtin/alpha") == ALPHA
    (pid,) = servers(running)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: servers(running) not in ([], [pid]), "a new server")
    assert say(running, "builtin/alpha") == ALPHA


def test_the_first_calls_all_at_once_share_one_start(running: Product) -> None:
    with httpx.Client(base_url=running.base_url, headers=running.authorization, timeout=30) as client, ThreadPoolExecutor(16) as pool:
        body = {"model": "builtin/alpha", "messages": HELLO, "temperature": 0}
        answers = list(pool.map(lambda _: client.post("/chat/completions", json=body).json(), range(16)))
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == [ALPHA] * 16
    assert len(servers(running)) == 1
    assert len(running.wait_calls(16, "--status", "completed")) == 16


def test_a_server_that_falls_in_the_middle_of_a_stream_fails_that_call_and_no_later_one(running: Product, endless_gguf: Path) -> None:
    running.add_model("endless.gguf", endless_gguf)
    eventually(lambda: "builtin/endless" in listed(running), "the model in the list")
    with openai.OpenAI(base_url=running.base_url, api_key=running.key, max_retries=0, timeout=30) as client:
        stream = client.chat.completions.create(model="builtin/endless", messages=HELLO, stream=True)
        next(stream)
        (pid,) = servers(running)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(openai.APIError):
            list(stream)
        (record,) = running.wait_calls(1)
        assert (record["status"], record["model"]) == ("failed", "builtin/endless")
        eventually(lambda: servers(running) not in ([], [pid]), "a new server")
        again = client.chat.completions.create(model="builtin/endless", messages=HELLO, stream=True)
        assert next(again)
        again.close()


def test_no_server_outlives_a_killed_node(running: Product) -> None:
    assert say(running, "builtin/alpha") == ALPHA
    (pid,) = servers(running)
    node = running.kill_node()
    eventually(lambda: not alive(pid), "the end of the server", 2.0)
    eventually(lambda: running.run("status").returncode == 0 and running.status()["node"] != node, "a new node", 20.0)
    assert say(running, "builtin/alpha") == ALPHA


def test_no_server_outlives_a_killed_supervisor(running: Product) -> None:
    assert say(running, "builtin/alpha") == ALPHA
    assert running.process is not None
    below = descendants(running.process.pid)
    running.process.kill()
    eventually(lambda: not any(alive(pid) for pid in below), "the end of all processes", 20.0)


def test_the_end_of_the_product_is_the_end_of_its_servers(running: Product) -> None:
    assert say(running, "builtin/alpha") == ALPHA
    (pid,) = servers(running)
    running.stop()
    assert not alive(pid)
