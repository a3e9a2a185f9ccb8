"""What the answers of a port are taken for, and the names that found engines get."""

import asyncio
import time
from collections.abc import Callable

import pytest
from tests.support.messages import Message
from tests.support.patience import within
from tests.support.upstream import Close, Reply, Upstream

from sekisho.engines.detect import Found, detect, name_providers

ELSEWHERE = Reply.json({"error": "no such route"}, 404)


def routes(answers: dict[str, Reply]) -> Callable[[Message], Reply]:
    """Answers by path, each closing its connection as a server does that is asked once."""
    return lambda request: answers.get(request.path, ELSEWHERE).then(Close())


def listed(*names: str, owner: str) -> Reply:
    return Reply.json({"object": "list", "data": [{"id": name, "object": "model", "owned_by": owner} for name in names]})


ENGINES = {
    "ollama": (
        {
            "/v1/models": listed("llama3:8b", owner="library"),
            "/api/tags": Reply.json({"models": [{"name": "llama3:8b"}]}),
            "/api/version": Reply.json({"version": "0.20.1"}),
        },
        Found("ollama", "", ("llama3:8b",), "0.20.1"),
    ),
    "ollama without models": (
        {"/v1/models": Reply.json({"object": "list", "data": []}), "/api/tags": Reply.json({"models": []})},
        Found("ollama", ""),
    ),
    "lmstudio": (
        {"/v1/models": listed("qwen", "phi", owner="organization_owner"), "/api/v0/models": Reply.json({"data": []})},
        Found("lmstudio", "", ("qwen", "phi")),
    ),
    "vllm": (
        {"/v1/models": listed("tiny", owner="vllm"), "/version": Reply.json({"version": "0.32.0"})},
        Found("vllm", "", ("tiny",), "0.32.0"),
    ),
    "llamacpp": ({"/v1/models": listed("tiny", owner="llamacpp")}, Found("llamacpp", "", ("tiny",))),
    "llamacpp that wants a key": (
        {"/v1/models": Reply.json({"error": {"code": 401}}, 401, [("server", "llama.cpp")])},
        Found("llamacpp", "", locked=True),
    ),
    "a version that is no version": (
        {"/v1/models": listed("tiny", owner="vllm"), "/version": Reply.json({"version": "1\u001b[2J"})},
        Found("vllm", "", ("tiny",)),
    ),
}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_known_by_its_answers(upstream: Upstream, name: str) -> None:
    answers, expected = ENGINES[name]
    upstream.otherwise = routes(answers)
    (found,) = asyncio.run(detect([upstream.port]))
    assert found == Found(expected.kind, upstream.base_url, expected.models, expected.version, expected.locked)
    assert upstream.base_url in found.describe()


STRANGERS = {
    "a web page": Reply.of(b"<html>", content_type="text/html"),
    "another gateway that wants a key": Reply.json({"error": {"code": "invalid_api_key"}}, 401),
    "models of nobody we know": listed("x", owner="somebody"),
    "JSON of another form": Reply.json([1, 2]),
    "garbage": Reply.garbage(),
    "a closed connection": Reply.closed(),
    "a redirect": Reply.of(b"", 302, [("location", "http://127.0.0.1:1/v1/models")]),
    "too much": Reply.of(b" " * (2 * 1024 * 1024)),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_other_programs_on_these_ports_are_not_taken_for_engines(upstream: Upstream, name: str) -> None:
    upstream.otherwise = routes({"/v1/models": STRANGERS[name]})
    assert asyncio.run(detect([upstream.port])) == ()


def test_silence_on_every_port_ends_within_two_seconds(upstream: Upstream) -> None:
    upstream.otherwise = lambda request: Reply.hang()
    before = time.monotonic()
    assert asyncio.run(detect([upstream.port] * 4)) == ()
    assert 1.0 < time.monotonic() - before < within(2.0)


def test_names_are_the_kinds_with_a_number_where_that_is_taken() -> None:
    found = [Found("llamacpp", "a"), Found("llamacpp", "b"), Found("ollama", "c"), Found("vllm", "d")]
    assert [name for name, _ in name_providers(found, taken={"ollama", "llamacpp-2"})] == ["llamacpp", "llamacpp-3", "ollama-2", "vllm"]


def test_a_locked_engine_says_what_to_do() -> None:
    assert "providers add --api-key-stdin" in Found("llamacpp", "http://127.0.0.1:8080/v1", locked=True).describe()
    assert Found("ollama", "u", ("a",), "1.0").describe() == "Ollama 1.0 at u (1 model)"
