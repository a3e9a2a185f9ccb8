"""The built-in pretender answers as a provider would, and always the same."""

import asyncio
import base64
import json
import struct
from typing import Any

import pytest

from sekisho.core.dialects.openai_chat import Scanner, error_words, read_answer
from sekisho.core.dialects.registry import Action
from sekisho.dataplane.sandbox import LOREM, LOREM_TOKENS, Sandbox
from tests.support.virtual_time import VirtualClock, run
from tests.unit.dataplane.loops import until
from tests.unit.dataplane.sinks import Awaited

HELLO = {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "say this back"}]}


def ask(model: str, request: dict[str, Any], action: Action = Action.CHAT, *, stream: bool = False) -> tuple[Awaited, float]:
    """The answer, and the virtual seconds that it took."""
    clock = VirtualClock()

    async def scene() -> Awaited:
        sink = Awaited()
        Sandbox(asyncio.get_running_loop()).send(model, action, json.dumps(request).encode(), stream=stream, sink=sink)
        assert not sink.status, "it answered before its caller was ready"
        await sink.ended.wait()
        return sink

    sink = run(scene(), clock)
    assert sink.wrong == []
    return sink, clock.passed


def test_the_echo_of_a_chat() -> None:
    sink, _ = ask("echo", HELLO)
    answer = json.loads(sink.body)
    assert sink.status == 200
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "say this back", "refusal": None}
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert answer["object"] == "chat.completion"
    outcome = read_answer(sink.body)
    assert outcome is not None
    assert outcome.finish_reason == "stop"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_bound_on_tokens_is_kept(name: str) -> None:
    sink, _ = ask("lorem", {**HELLO, name: 2})
    choice = json.loads(sink.body)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (" ".join(LOREM[:2]), "length")


def test_parts_of_a_message_are_read_and_pictures_passed_over() -> None:
    parts = [{"type": "text", "text": "two"}, {"type": "image_url", "image_url": {"url": "data:,x"}}, {"type": "text", "text": "parts"}]
    sink, _ = ask("echo", {"messages": [{"role": "user", "content": parts}]})
    assert json.loads(sink.body)["choices"][0]["message"]["content"].split() == ["two", "parts"]


@pytest.mark.parametrize(
    "request_body", [{}, {"messages": None}, {"messages": [7, {}]}, {"messages": [{"role": "user", "content": 7}]}, {"messages": {"a": 1}}]
)
def test_a_strange_request_is_answered_all_the_same(request_body: dict[str, Any]) -> None:
    sink, _ = ask("echo", request_body)
    assert json.loads(sink.body)["choices"][0]["message"]["content"] == "(nothing to echo)"


@pytest.mark.parametrize("action", [Action.CHAT, Action.COMPLETION])
@pytest.mark.parametrize("include_usage", [True, False])
def test_a_stream_says_what_the_whole_answer_says(action: Action, include_usage: bool) -> None:
    request = {**HELLO, "prompt": "say this back"}
    whole = json.loads(ask("lorem", request, action)[0].body)
    sink, _ = ask("lorem", {**request, "stream_options": {"include_usage": include_usage}}, action, stream=True)
    assert sink.headers[b"content-type"].startswith(b"text/event-stream")
    events = [event.removeprefix("data: ") for event in sink.body.decode().split("\n\n")[:-1]]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"] for event in events[:-1]]
    texts = [choices[0]["delta"].get("content", "") if action is Action.CHAT else choices[0]["text"] for choices in pieces if choices]
    said = whole["choices"][0]["message"]["content"] if action is Action.CHAT else whole["choices"][0]["text"]
    assert "".join(texts) == said
    scanner = Scanner(include_usage=True)
    assert scanner.scan(sink.body) == sink.body
    scanner.close()
    assert scanner.outcome.finish_reason == "stop"
    assert (scanner.outcome.usage is not None) == include_usage
    if scanner.outcome.usage is not None:
        assert scanner.outcome.usage.output == whole["usage"]["completion_tokens"] == LOREM_TOKENS


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_an_error_that_was_asked_for(status: int) -> None:
    sink, _ = ask(f"error-{status}", HELLO)
    assert sink.status == status
    assert error_words(sink.body)[:2] == (f"sandbox_{status}", f"the sandbox answers {status} as asked")
    assert (sink.headers.get(b"retry-after") == b"1") == (status == 429)


def test_a_cut_stream_ends_without_its_end() -> None:
    sink, _ = ask("cut", HELLO, stream=True)
    scanner = Scanner(include_usage=False)
    scanner.scan(sink.body)
    scanner.close()
    assert sink.body
    assert not scanner.finished
    assert scanner.outcome.finish_reason == ""


def test_the_slow_one_takes_its_time() -> None:
    sink, whole = ask("slow", HELLO)
    assert sink.whole
    assert whole == pytest.approx(1.0)
    sink, streamed = ask("slow", HELLO, stream=True)
    assert streamed == pytest.approx(1.0 + 0.25 * sink.body.count(b"data:"))


def test_embeddings_are_the_same_in_both_encodings() -> None:
    request = {"input": ["a b", "c"]}
    plain = json.loads(ask("embed", request, Action.EMBEDDING)[0].body)
    coded = json.loads(ask("embed", {**request, "encoding_format": "base64"}, Action.EMBEDDING)[0].body)
    assert [each["index"] for each in plain["data"]] == [0, 1]
    assert plain["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    for one, other in zip(plain["data"], coded["data"], strict=True):
        numbers = struct.unpack(f"<{len(one['embedding'])}f", base64.b64decode(other["embedding"]))
        assert list(numbers) == pytest.approx(one["embedding"])
    assert plain["data"][0]["embedding"] != plain["data"][1]["embedding"]


@pytest.mark.parametrize(("given", "count"), [("one text", 1), ([1, 2, 3], 1), ([[1, 2], [3]], 2), (["a", "b", "c"], 3)])
def test_one_vector_for_each_input(given: Any, count: int) -> None:
    assert len(json.loads(ask("embed", {"input": given}, Action.EMBEDDING)[0].body)["data"]) == count


def test_it_pauses_and_ends_when_told() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        sandbox, sink = Sandbox(loop), Awaited()
        sandbox.send("lorem", Action.CHAT, b"{}", stream=True, sink=sink)
        await until(lambda: sink.body)
        sandbox.pause()
        paused = sink.body
        for _ in range(10):
            await asyncio.sleep(0)
        assert sink.body == paused
        sandbox.resume()
        assert len(sink.body) > len(paused)
        sandbox.abort()
        aborted = sink.body
        for _ in range(10):
            await asyncio.sleep(0)
        assert sink.body == aborted
        assert not sink.whole

    run(scene(), VirtualClock())
