"""What is recorded is what passed between Sekisho and the engine: as many calls, the same tokens, status and model."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from tests.e2e.sdk.conftest import Engine, House, Watch, usage_of

pytestmark = pytest.mark.e2e

HELLO: Any = [{"role": "user", "content": "hello"}]

Call = Callable[[openai.OpenAI, str], Any]


def chat(client: openai.OpenAI, model: str) -> Any:
    return client.chat.completions.with_raw_response.create(model=model, messages=HELLO, temperature=0)


def stream(client: openai.OpenAI, model: str) -> Any:
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO, temperature=0, stream=True)
    list(raw.parse())
    return raw


def stream_with_usage(client: openai.OpenAI, model: str) -> Any:
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=HELLO, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    list(raw.parse())
    return raw


def completion(client: openai.OpenAI, model: str) -> Any:
    return client.completions.with_raw_response.create(model=model, prompt="hello", max_tokens=5, temperature=0)


def embeddings(client: openai.OpenAI, model: str) -> Any:
    return client.embeddings.with_raw_response.create(model=model, input=["one", "two"], encoding_format="float")


PATHS: dict[Call, str] = {
    chat: "/v1/chat/completions",
    stream: "/v1/chat/completions",
    stream_with_usage: "/v1/chat/completions",
    completion: "/v1/completions",
    embeddings: "/v1/embeddings",
}


@pytest.mark.parametrize("call", PATHS, ids=lambda call: call.__name__)
def test_a_record_says_what_the_tap_saw(house: House, client: openai.OpenAI, tapped: Engine, call: Call) -> None:
    watch = Watch(tapped.tap)
    raw = call(client, tapped.model)
    record = house.record(raw.request_id)
    exchange = watch.only
    assert exchange.response is not None
    streamed = call in (stream, stream_with_usage)
    expected = {
        **usage_of(exchange),
        "usage_source": "provider",
        "status": "completed",
        "http_status": 200,
        "upstream_status": exchange.response.status,
        "method": "POST",
        "path": PATHS[call],
        "model": tapped.model,
        "provider": tapped.provider,
        "upstream_model": exchange.request.json()["model"],
        "stream": streamed,
        "attempts": 1,
        "error": None,
        "cost": None,
        "key_label": "first key",
        "project": "default",
    }
    assert {name: record[name] for name in expected} == expected
    assert exchange.request.json()["model"] == tapped.upstream_model
    finishes: dict[Call, str] = {embeddings: "", completion: "length"}
    assert (record["finish_reason"] or "") == finishes.get(call, "stop")
    assert record["output_tokens"] > 0 or call is embeddings
    assert 0 < record["ttfb_ms"] <= record["duration_ms"]
    assert sum(record["stages"].values()) / 1000 <= record["duration_ms"] * 1.05
    if call is chat:  # the command says the same as the API
        assert house.product.cli("calls", "show", raw.request_id) == record


def test_the_built_in_engines_record_says_what_the_answer_said(house: House, client: openai.OpenAI) -> None:
    raw = chat(client, "builtin/tiny")
    usage = raw.parse().usage
    record = house.record(raw.request_id)
    assert (record["input_tokens"], record["output_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
    assert (record["model"], record["provider"], record["upstream_model"]) == ("builtin/tiny", "builtin", "tiny")
    assert (record["status"], record["usage_source"]) == ("completed", "provider")


def test_there_are_as_many_records_as_exchanges(house: House, tapped: Engine) -> None:
    label = f"counted-{tapped.provider}"
    made = house.product.create_key(label)
    watch = Watch(tapped.tap)
    with house.client(made["plain_key"]) as client:
        last = [call(client, tapped.model) for call in (*PATHS, *PATHS)][-1]
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=tapped.model, messages=[{"role": "user", "content": "x " * 20000}])
        final = chat(client, tapped.model)
    house.record(last.request_id)
    house.record(final.request_id)
    records = [call for call in house.product.calls() if call["key_id"] == made["id"]]
    # A call that crosses the engine's close behind a stream is sent once more: the tap saw both, the engine one.
    exchanges = [exchange for exchange in watch.calls if exchange.response]
    assert len(records) == len(exchanges) == 2 * len(PATHS) + 2
    assert len({record["request_id"] for record in records}) == len(records)
    seen = [exchange.response.status for exchange in exchanges if exchange.response]
    assert [record["upstream_status"] for record in reversed(records)] == seen
    good = [exchange for exchange in exchanges if exchange.response and exchange.response.status == 200]
    assert sum(record["input_tokens"] for record in records if record["status"] == "completed") == sum(
        usage_of(exchange)["input_tokens"] for exchange in good
    )
    assert sum(record["output_tokens"] for record in records if record["status"] == "completed") == sum(
        usage_of(exchange)["output_tokens"] for exchange in good
    )


def test_usage_is_asked_of_the_engine_even_where_the_client_did_not(house: House, client: openai.OpenAI, tapped: Engine) -> None:
    watch = Watch(tapped.tap)
    stream(client, tapped.model)
    assert watch.only.request.json()["stream_options"] == {"include_usage": True}


def test_a_rate_makes_a_cost(house: House, client: openai.OpenAI) -> None:
    house.product.cli("models", "set-rate", "south/beta", "--input-price", "1.5", "--output-price", "6")
    try:
        raw = chat(client, "south/beta")
        record = house.record(raw.request_id)
        price = record["input_tokens"] * 15000 + record["output_tokens"] * 60000
        assert round(float(record["cost"]) * 1e10) == price
        assert record["currency"] == "USD"
        assert round(float(raw.headers["x-sekisho-cost"]) * 1e10) == price
    finally:
        house.product.cli("models", "set-rate", "south/beta", "--input-price", "0", "--output-price", "0")
