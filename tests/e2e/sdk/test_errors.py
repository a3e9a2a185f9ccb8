"""What the official SDK raises: the class, the code, the field, and the request id that also stands in the record."""

from typing import Any

import httpx
import openai
import pytest
from tests.e2e.sdk.conftest import Engine, House, Watch
from tests.support.product import eventually, free_ports
from tests.support.upstream import Reply, Upstream

pytestmark = pytest.mark.e2e

HELLO: Any = [{"role": "user", "content": "hello"}]


def raised(kind: type[openai.APIStatusError], client: openai.OpenAI, **arguments: Any) -> openai.APIStatusError:
    """The error of a chat call; checks what every error must have."""
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**{"model": "south/beta", "messages": HELLO, **arguments})
    error = caught.value
    assert type(error) is kind, f"{error.status_code} {error.body}"
    assert error.request_id
    assert error.response.headers["x-request-id"] == error.request_id
    assert isinstance(error.body, dict)
    assert error.body["message"]
    assert error.body.get("request_id") in (None, error.request_id)
    return error


@pytest.mark.parametrize("key", ["sk-sek-0000000000000000-" + "A" * 43, "sk-other", "%", "sk-sek-"])
def test_a_wrong_key(house: House, key: str) -> None:
    with house.client(key) as client:
        error = raised(openai.AuthenticationError, client)
    assert error.code == "invalid_api_key"
    assert error.type == "authentication_error"
    assert key not in error.response.text
    assert house.refusal(error.request_id)["code"] == "invalid_api_key"


def test_no_key(house: House) -> None:
    answer = httpx.post(house.product.base_url + "/chat/completions", json={"model": "south/beta", "messages": HELLO})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"
    assert answer.headers["x-request-id"]


def test_a_revoked_key(house: House) -> None:
    made = house.product.create_key("short-lived")
    with house.client(made["plain_key"]) as client:
        client.chat.completions.create(model="south/beta", messages=HELLO)
        house.product.cli("api-keys", "revoke", made["id"])
        error = raised(openai.AuthenticationError, client)
    assert error.code


@pytest.mark.parametrize("model", ["south/nothing", "nobody/beta", "nothing", "builtin/none", "south/", "south/beta "])
def test_an_unknown_model(house: House, client: openai.OpenAI, model: str) -> None:
    watch = Watch(house.engines["south"].tap)
    error = raised(openai.NotFoundError, client, model=model)
    assert (error.code, error.param) == ("model_not_found", "model")
    assert model in error.message
    assert watch.calls == []
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve(model)
    assert caught.value.code == "model_not_found"


def test_a_model_outside_the_keys_scope_is_as_absent_as_one_that_does_not_exist(house: House) -> None:
    made = house.product.create_key("scoped", "--models", "south/beta,north/*")
    with house.client(made["plain_key"]) as client:
        error = raised(openai.NotFoundError, client, model="builtin/tiny")
        assert error.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("builtin/tiny")
        assert client.chat.completions.create(model="south/beta", messages=HELLO).choices
        assert client.chat.completions.create(model="north/alpha", messages=HELLO).choices
        assert {model.id for model in client.models.list()} == {"south/beta", "north/alpha"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": 7}, "model"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"stream_options": 5, "stream": True}, "stream_options"),
    ],
    ids=str,
)
def test_a_bad_body_names_the_field(house: House, client: openai.OpenAI, change: dict[str, Any], param: str) -> None:
    watch = Watch(house.engines["south"].tap)
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"model": "south/beta", "messages": HELLO, **change}, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id
    assert watch.calls == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"model": "south/beta"', b'{"model":"a","model":"b"}', b"\xff\xfe", b'{"model": NaN}']
)
def test_what_is_no_json_object_is_refused(house: House, body: bytes) -> None:
    watch = Watch(house.engines["south"].tap)
    headers = {**house.product.authorization, "content-type": "application/json"}
    answer = httpx.post(house.product.base_url + "/chat/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert watch.calls == []


def test_an_error_of_the_engine_keeps_its_status_and_its_members(house: House, client: openai.OpenAI, tapped: Engine) -> None:
    watch = Watch(tapped.tap)
    error = raised(openai.BadRequestError, client, model=tapped.model, messages=[{"role": "user", "content": "x " * 20000}])
    answer = watch.only.response
    assert answer is not None
    said = answer.json()["error"]
    assert "context size" in said["message"]
    assert isinstance(error.body, dict)
    assert error.status_code == answer.status
    assert error.code == said["type"] == "exceed_context_size_error"
    assert {name: error.body[name] for name in said if name != "code"} == {name: said[name] for name in said if name != "code"}
    record = house.record(error.request_id)
    assert (record["status"], record["http_status"], record["upstream_status"]) == ("failed", 400, 400)


def test_a_path_that_does_not_exist(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.get("/nothing/here", cast_to=object)
    assert caught.value.type
    assert caught.value.request_id


def test_a_method_that_does_not_fit(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.get("/chat/completions", cast_to=object)
    assert caught.value.status_code == 405
    assert "POST" in caught.value.response.headers["allow"]


def test_limits_raise_the_rate_limit_error_with_the_time_to_wait(house: House) -> None:
    made = house.product.create_key("slow", "--rpm", "2")
    with house.client(made["plain_key"]) as client:
        for _ in range(2):
            client.chat.completions.create(model="sandbox/echo", messages=HELLO)
        error = raised(openai.RateLimitError, client, model="sandbox/echo")
    assert 0 < int(error.response.headers["retry-after"]) <= 60
    assert error.response.headers["x-ratelimit-limit-requests"] == "2"
    assert error.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_the_sandboxes_error_is_the_right_class(client: openai.OpenAI) -> None:
    assert raised(openai.RateLimitError, client, model="sandbox/error-429").status_code == 429
    assert raised(openai.InternalServerError, client, model="sandbox/error-503").status_code == 503


def test_an_engine_that_is_not_there(house: House, client: openai.OpenAI) -> None:
    (port,) = free_ports(1)
    house.product.add_provider("absent", f"http://127.0.0.1:{port}/v1", "--no-probe")
    house.product.cli("models", "add", "absent/x")
    error = raised(openai.InternalServerError, client, model="absent/x")
    assert error.status_code in (502, 503)
    record = house.record(error.request_id)
    assert (record["status"], record["http_status"], record["upstream_status"]) == ("failed", error.status_code, None)
    house.product.cli("providers", "remove", "absent")


def test_an_engine_that_breaks_off_in_a_stream_raises_instead_of_ending_quietly(
    house: House, client: openai.OpenAI, upstream: Upstream
) -> None:
    house.product.add_provider("brittle", upstream.base_url)
    whole = Reply.stream("one two three four five")
    upstream.script(whole.cut(len(whole.data) - 200))
    stream = client.chat.completions.create(model="brittle/fake", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError):
        list(stream)
    record = house.record(stream.response.headers["x-request-id"])
    assert record["status"] == "failed"
    house.product.cli("providers", "remove", "brittle")


def test_an_engine_that_cannot_be_loaded_says_why(house: House, client: openai.OpenAI) -> None:
    good = (house.product.home / "models" / "tiny.gguf").read_bytes()
    (house.product.home / "models" / "broken.gguf").write_bytes(good[: len(good) // 2])
    eventually(lambda: "builtin/broken" in {model.id for model in client.models.list()}, "the file in the list")
    error = raised(openai.InternalServerError, client, model="builtin/broken")
    assert error.status_code in (502, 503)
    assert "cannot be loaded" in error.message
    (house.product.home / "models" / "broken.gguf").unlink()
    eventually(lambda: "builtin/broken" not in {model.id for model in client.models.list()}, "the file out of the list")
