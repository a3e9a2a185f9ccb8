"""What the official SDK gets through Sekisho from real engines: every kind of answer, validated strictly."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pydantic
import pytest
from tests.conftest import ALPHA
from tests.e2e.sdk.conftest import Engine, House, Watch, close_to
from tests.support.llama import Llama
from tests.support.tap import Tap

pytestmark = pytest.mark.e2e

HELLO: Any = [{"role": "user", "content": "hello"}]

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    },
}


class Person(pydantic.BaseModel):
    """What the structured answers hold."""

    name: str
    age: int


def test_chat(client: openai.OpenAI, engine: Engine) -> None:
    answer = client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0)
    (choice,) = answer.choices
    assert choice.message.content == engine.sentence
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > len(engine.sentence.split())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_several_choices_and_log_probabilities(client: openai.OpenAI, engine: Engine) -> None:
    answer = client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0, n=2, logprobs=True, top_logprobs=2)
    assert [choice.message.content for choice in answer.choices] == [engine.sentence] * 2
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.content


def test_stream_without_usage_shows_none(client: openai.OpenAI, engine: Engine) -> None:
    for options in (openai.omit, openai.types.chat.ChatCompletionStreamOptionsParam(include_usage=False)):
        stream = client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0, stream=True, stream_options=options)
        chunks = list(stream)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == engine.sentence
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
        assert all(len(chunk.choices) == 1 for chunk in chunks), "a frame came that was not asked for"
        assert all(chunk.usage is None for chunk in chunks)
        assert len(chunks) > len(engine.sentence.split())


def test_stream_with_usage_ends_with_it(client: openai.OpenAI, engine: Engine) -> None:
    stream = client.chat.completions.create(
        model=engine.model, messages=HELLO, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == engine.sentence
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > len(engine.sentence.split())
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_helper_of_the_sdk(client: openai.OpenAI, engine: Engine) -> None:
    with client.chat.completions.stream(model=engine.model, messages=HELLO, temperature=0) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_completion().choices[0].message.content == engine.sentence
    assert "content.delta" in kinds
    assert kinds[-1] == "content.done"


def test_tools_are_called_and_their_results_taken(client: openai.OpenAI, engine: Engine) -> None:
    first = client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0, tools=[WEATHER])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": engine.sentence}
    said: Any = message.model_dump(exclude_none=True)
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    second = client.chat.completions.create(model=engine.model, messages=[*HELLO, said, result], temperature=0, tools=[WEATHER])
    assert second.choices[0].message.content == engine.sentence


def test_tools_are_streamed(client: openai.OpenAI, engine: Engine) -> None:
    chunks = list(
        client.chat.completions.create(
            model=engine.model, messages=HELLO, temperature=0, tools=[WEATHER], tool_choice="required", stream=True
        )
    )
    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert [piece.function.name for piece in pieces if piece.function and piece.function.name] == ["weather"]
    arguments = "".join(piece.function.arguments or "" for piece in pieces if piece.function)
    assert json.loads(arguments) == {"city": engine.sentence}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_json_schema(client: openai.OpenAI, engine: Engine) -> None:
    answer = client.chat.completions.parse(
        model=engine.model, messages=HELLO, temperature=0, response_format=Person, max_completion_tokens=200
    )
    person = answer.choices[0].message.parsed
    assert isinstance(person, Person)
    assert person.name == engine.sentence


def test_json_object_streamed(client: openai.OpenAI, engine: Engine) -> None:
    chunks = client.chat.completions.create(
        model=engine.model, messages=HELLO, temperature=0, response_format={"type": "json_object"}, max_tokens=200, stream=True
    )
    assert isinstance(json.loads("".join(chunk.choices[0].delta.content or "" for chunk in chunks)), dict)


def test_completions(client: openai.OpenAI, lenient: openai.OpenAI, engine: Engine) -> None:
    first, rest = engine.sentence.split(" ", 1)
    answer = client.completions.create(model=engine.model, prompt=first, temperature=0, max_tokens=100)
    assert answer.choices[0].text == f" {rest}"
    # The SDK's schema demands a finish_reason in every chunk, which OpenAI itself does not send.
    chunks = list(lenient.completions.create(model=engine.model, prompt=first, temperature=0, max_tokens=100, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == f" {rest}"
    assert all(chunk.choices for chunk in chunks), "a frame came that was not asked for"


def test_embeddings_are_those_of_the_engine(house: House, client: openai.OpenAI, lenient: openai.OpenAI, alpha: Llama) -> None:
    with house.client(alpha.api_key, base_url=alpha.base_url) as direct:
        expected = [each.embedding for each in direct.embeddings.create(model="any", input=["one", "two"], encoding_format="float").data]
    answer = client.embeddings.create(model="north/alpha", input=["one", "two"], encoding_format="float")
    assert [each.index for each in answer.data] == [0, 1]
    assert all(close_to(vector)(each.embedding) for vector, each in zip(expected, answer.data, strict=True))
    assert answer.usage.prompt_tokens > 0
    # By default the SDK asks for base64 and decodes it after its strict check, which then fails on OpenAI's own answers too.
    decoded = lenient.embeddings.create(model="north/alpha", input=["one", "two"])
    assert all(close_to(vector)(each.embedding) for vector, each in zip(expected, decoded.data, strict=True))


def test_embeddings_of_each_engine(client: openai.OpenAI, engine: Engine) -> None:
    one, same, other = client.embeddings.create(model=engine.model, input=["one", "one", "two"], encoding_format="float").data
    assert len(one.embedding) == 128
    assert close_to(one.embedding)(same.embedding)
    assert not close_to(one.embedding)(other.embedding)


def test_model_list_and_single_models(house: House, client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {engine.model for engine in house.engines.values()} <= set(listed)
    assert "sandbox/echo" in listed
    for name, model in listed.items():
        found = client.models.retrieve(name)
        assert found.id == name
        assert found.object == model.object == "model"
        assert found.owned_by == model.owned_by == name.split("/")[0]


def test_without_v1_in_the_base_url(house: House, engine: Engine) -> None:
    with house.client(base_url=house.product.origin) as client:
        answer = client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0)
        assert answer.choices[0].message.content == engine.sentence
        assert engine.model in {model.id for model in client.models.list()}


def test_answers_carry_ids_and_names(client: openai.OpenAI, engine: Engine) -> None:
    raw = client.chat.completions.with_raw_response.create(model=engine.model, messages=HELLO, temperature=0)
    assert raw.request_id
    assert raw.headers["x-sekisho-provider"] == engine.provider
    assert raw.headers["x-sekisho-model"] == engine.model
    assert raw.headers["x-sekisho-attempts"] == "1"
    assert "server-timing" in raw.headers
    assert raw.headers["content-type"].startswith("application/json")
    assert "authorization" not in raw.headers


def test_many_at_once_each_gets_the_answer_of_its_engine(house: House) -> None:
    async def one(client: openai.AsyncOpenAI, engine: Engine, *, stream: bool) -> bool:
        if not stream:
            answer = await client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0)
            return answer.choices[0].message.content == engine.sentence
        chunks = await client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks]) == engine.sentence

    async def all_at_once() -> list[bool]:
        key, url = house.product.key, house.product.base_url
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=60, _strict_response_validation=True) as client:
            return await asyncio.gather(
                *(one(client, engine, stream=stream) for engine in house.engines.values() for stream in (False, True) * 5)
            )

    assert all(asyncio.run(all_at_once()))


def test_bytes_of_the_answer_are_the_engines(house: House, tapped: Engine) -> None:
    """Same dialect, bytes through: what the client reads is what the engine wrote, but for the frame that was not asked for."""
    watch = Watch(tapped.tap)
    body = {"model": tapped.model, "messages": HELLO, "temperature": 0}
    with httpx.Client(base_url=house.product.origin, headers=house.product.authorization, timeout=30) as client:
        plain = client.post("/v1/chat/completions", json=body)
        asked = client.post("/v1/chat/completions", json={**body, "stream": True, "stream_options": {"include_usage": True}})
        unasked = client.post("/v1/chat/completions", json={**body, "stream": True})
    assert [answer.status_code for answer in (plain, asked, unasked)] == [200] * 3
    # The engine closes behind a stream; a call that crosses that close on the way is sent once more, and the tap saw both.
    first, second, third = (call.response for call in watch.calls if call.response is not None)
    assert plain.content == bytes(first.body)
    assert asked.content == bytes(second.body)
    whole = bytes(third.body)
    *frames, usage, done, end = whole.split(b"\n\n")
    assert b'"usage"' in usage
    assert unasked.content == b"\n\n".join([*frames, done, end])


def test_bytes_of_the_request_are_the_clients_but_for_what_must_change(house: House, tapped: Engine) -> None:
    body = (
        b'{ "x_unknown" : {"a":[1, 2.50, "\\u00e9"]},\n "model" :"%b" , "messages":[{"role":"user","content":"h\\u00e9llo"}], "top_k": 1}'
        % tapped.model.encode()
    )
    watch = Watch(tapped.tap)
    headers = {**house.product.authorization, "content-type": "application/json"}
    answer = httpx.post(house.product.base_url + "/chat/completions", content=body, headers=headers, timeout=30)
    assert answer.json()["choices"][0]["message"]["content"] == tapped.sentence
    request = watch.only.request
    assert bytes(request.body) == body.replace(tapped.model.encode(), tapped.upstream_model.encode())
    assert request.path == "/v1/chat/completions"


def test_the_engine_gets_its_own_key_and_never_the_clients(house: House, client: openai.OpenAI) -> None:
    for provider, authorization in (("north", "Bearer alpha-secret-key"), ("south", None)):
        engine = house.engines[provider]
        watch = Watch(engine.tap)
        client.chat.completions.create(model=engine.model, messages=HELLO, temperature=0)
        request = watch.only.request
        assert request.header("authorization") == authorization
        assert house.product.key.encode() not in request.raw


def test_a_stream_that_is_left_ends_at_the_engine_too(house: House, client: openai.OpenAI, endless: Llama) -> None:
    with Tap("127.0.0.1", endless.port) as tap:
        house.product.add_provider("talker", tap.base_url)
        stream = client.chat.completions.create(model="talker/endless", messages=HELLO, stream=True)
        for _ in range(5):
            next(stream)
        request_id = stream.response.headers["x-request-id"]
        stream.close()
        tap.wait(lambda: tap.calls and tap.passages[-1].closed, "the end of the call at the engine", 1.0)
        record = house.record(request_id)
        assert record["status"] == "cancelled"
        assert record["model"] == "talker/endless"
        house.product.cli("providers", "remove", "talker")


def test_a_bare_model_name_is_enough_where_it_is_the_only_one(client: openai.OpenAI, tapped: Engine) -> None:
    answer = client.chat.completions.create(model=tapped.upstream_model, messages=HELLO, temperature=0)
    assert answer.choices[0].message.content == tapped.sentence


def test_sentences_differ(house: House) -> None:
    assert len({engine.sentence for engine in house.engines.values()}) == 3
    assert house.engines["north"].sentence == ALPHA
