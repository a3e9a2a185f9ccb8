"""A call that names an API, over a wire of the test's: its model serves it, the record names both, and what cannot be served says why."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sekisho.core.model.records import Refused
from sekisho.core.model.snapshot import Api, Model
from sekisho.core.policy.access import Keys
from sekisho.dataplane.stages import Plane
from tests.support.virtual_time import VirtualClock, run
from tests.unit.dataplane.houses import HELLO, OPEN, House, Wire, key, request

SCOPED, TARGET, PROVIDER = "sk-sek-scoped", "sk-sek-target", "sk-sek-provider"
APIS = (
    Api("helper", "sandbox/echo", created=1_700_000_000),
    Api("brief", "sandbox/lorem", defaults=(("max_tokens", b"3"),), system_prompt=b'{"role":"system","content":"Be brief."}'),
    Api("off", "sandbox/echo", enabled=False),
    Api("broken", "gone/m"),
    Api("dumb", "sandbox/dumb"),
    Api("sleepy", "builtin/tiny"),
)


def play(scene: Coroutine[Any, Any, None]) -> None:
    run(scene, VirtualClock())


def publish(house: House) -> Plane:
    plane = house.plane
    assert plane.directory is not None
    catalog = plane.directory.catalog
    tiny = Model("builtin/tiny", "builtin", "tiny.gguf", base_url="")
    builtin = msgspec.structs.replace(catalog.providers[0], name="builtin", kind="builtin")
    plane.install(
        msgspec.structs.replace(catalog, apis=APIS, models=(*catalog.models, tiny), providers=(*catalog.providers, builtin)),
        Keys(
            [
                key(OPEN),
                key(SCOPED, models=tuple(api.name for api in APIS)),
                key(TARGET, models=("sandbox/echo",)),
                key(PROVIDER, models=("sandbox/*",)),
            ]
        ),
    )
    return plane


def call(name: str, **more: Any) -> dict[str, Any]:
    return {**HELLO, "model": name, **more}


@pytest.mark.parametrize("plain_key", [OPEN, SCOPED])
@pytest.mark.parametrize("name", ["helper", "flm://helper"])
def test_its_model_serves_it_and_the_record_names_both(tmp_path: Path, name: str, plain_key: str) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            publish(house)
            wire = Wire(house)
            wire.feed(request(call(name), plain_key=plain_key))
            answer = await wire.answer()
            assert answer.json()["choices"][0]["message"]["content"] == "say this"
            told = [answer.header(f"x-sekisho-{each}") for each in ("provider", "model", "api", "cost")]
            assert told == ["sandbox", "sandbox/echo", "helper", "0.0000015000"]
            began, ended = house.call
            assert (began.api, began.served, began.provider, began.upstream_model) == ("helper", "sandbox/echo", "sandbox", "echo")
            assert ended.cost == 15_000
            wire.close()

    play(scene())


def test_a_call_that_names_a_model_is_recorded_as_ever(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            publish(house)
            wire = Wire(house)
            wire.feed(request(HELLO))
            assert (await wire.answer()).header("x-sekisho-api") is None
            began, _ = house.call
            assert (began.model, began.api, began.served) == ("sandbox/echo", "", "sandbox/echo")
            wire.close()

    play(scene())


@pytest.mark.parametrize("stream", [False, True])
def test_defaults_act_where_the_caller_says_nothing(tmp_path: Path, stream: bool) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            publish(house)
            wire = Wire(house)
            wire.feed(request(call("brief", stream=stream)))
            await wire.answer()
            _, first = house.call
            assert first.output_tokens == 3
            # The prompt is a part of what the model read.
            assert first.input_tokens == 4
            wire.feed(request(call("brief", stream=stream, max_tokens=5)))
            await wire.until(lambda wire: len(wire.messages) == 2 and wire.messages[-1].complete)
            assert house.records[-1].output_tokens == 5  # type: ignore[union-attr]
            wire.close()

    play(scene())


@pytest.mark.parametrize(
    ("body", "plain_key", "status", "code", "words"),
    [
        (call("off"), SCOPED, 404, "model_not_found", "the API 'off' is switched off"),
        (call("off"), TARGET, 404, "model_not_found", "does not exist or is not open"),
        (call("broken"), SCOPED, 503, "api_broken", "gone/m is gone"),
        (call("broken"), TARGET, 404, "model_not_found", "does not exist or is not open"),
        (call("dumb"), SCOPED, 400, "capability_missing", "sandbox/dumb does not serve chat"),
        (call("helper"), TARGET, 404, "model_not_found", "does not exist or is not open"),
        (call("helper"), PROVIDER, 404, "model_not_found", "does not exist or is not open"),
        (call("sandbox/echo"), SCOPED, 404, "model_not_found", "does not exist or is not open"),
        (call("echo"), SCOPED, 404, "model_not_found", "does not exist or is not open"),
        (json.dumps(call("brief", seed=1))[:-1].encode() + b',"seed":2}', SCOPED, 400, "duplicate_field", "names 'seed' twice"),
    ],
)
def test_what_is_not_served_says_why(tmp_path: Path, body: Any, plain_key: str, status: int, code: str, words: str) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            publish(house)
            wire = Wire(house)
            wire.feed(request(body, plain_key=plain_key))
            answer = await wire.answer()
            error = answer.json()["error"]
            assert (answer.status, error["code"]) == (status, code)
            assert words in error["message"]
            assert answer.header("x-should-retry") == "false"
            (record,) = house.records
            assert isinstance(record, Refused)
            assert (record.http_status, record.code) == (status, code)
            wire.close()

    play(scene())


def test_the_model_list_holds_what_a_key_may_call(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            publish(house)
            wire = Wire(house)
            wire.feed(request(method="GET", path="/v1/models", plain_key=SCOPED))
            listed = (await wire.answer()).json()["data"]
            assert [each["id"] for each in listed] == ["helper", "brief", "dumb", "sleepy"]
            assert listed[0] == {"id": "helper", "object": "model", "created": 1_700_000_000, "owned_by": "sekisho"}
            answers = []
            for name in ("helper", "off", "sandbox%2Fecho"):
                wire.feed(request(method="GET", path=f"/v1/models/{name}", plain_key=SCOPED))
                await wire.until(lambda wire: len(wire.messages) == 2 + len(answers) and wire.messages[-1].complete)
                answers.append(wire.messages[-1].status)
            assert answers == [200, 404, 404]
            wire.close()

    play(scene())


class Waker:
    """Stands for the node, which starts the engine that sleeps."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self.woken: list[str] = []

    def wake(self, model: str) -> "asyncio.Future[str]":
        self.woken.append(model)
        woken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        woken.set_result("it does not start")
        return woken


def test_a_sleeping_model_is_woken_by_its_own_name(tmp_path: Path) -> None:
    async def scene() -> None:
        async with House(tmp_path) as house:
            plane = publish(house)
            waker = Waker(plane)
            plane.link = waker  # type: ignore[assignment]
            wire = Wire(house)
            wire.feed(request(call("sleepy")))
            answer = await wire.answer()
            assert (answer.status, answer.json()["error"]["code"]) == (503, "engine_unavailable")
            assert waker.woken == ["builtin/tiny"]
            began, _ = house.call
            assert (began.api, began.served) == ("sleepy", "builtin/tiny")
            wire.close()

    play(scene())
