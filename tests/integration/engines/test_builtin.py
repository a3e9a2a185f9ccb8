"""The built-in engine with llama.cpp's real server: files become models, models answer, and nothing outlives its owner."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import ALPHA, BETA
from tests.support.product import ROOT, alive, descendants, eventually

from sekisho.core.model.snapshot import Model
from sekisho.core.ports import EngineControl, EngineError
from sekisho.engines.builtin import BuiltInEngine
from sekisho.engines.servers import Phase
from sekisho.engines.settings import Engines

QUICK = Engines(context_tokens=2048, threads=1, watch_interval_s=0.02, start_timeout_s=30)

CHAT = {"model": "any", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}


class House:
    """An engine over a folder, and the models that it told of at each change."""

    def __init__(self, folder: Path, settings: Engines = QUICK) -> None:
        self.folder = folder
        self.told: list[tuple[Model, ...]] = []
        self._moved = asyncio.Event()
        self.engine = BuiltInEngine(folder, settings, on_change=self._change)

    async def _change(self) -> None:
        self.told.append(self.engine.models())
        self._moved.set()

    def model(self, name: str) -> Model | None:
        return next((model for model in self.engine.models() if model.id == f"builtin/{name}"), None)

    async def until(self, happened: Callable[[], Any]) -> None:
        """Return when it is so, looking at each change."""
        async with asyncio.timeout(20):
            while not happened():
                self._moved.clear()
                await self._moved.wait()

    def play(self, story: Callable[["House"], Awaitable[None]]) -> "House":
        async def whole() -> None:
            await self.engine.open()
            try:
                await story(self)
            finally:
                await self.engine.close()

        asyncio.run(whole())
        assert children() == []
        return self


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "models")


def children() -> list[int]:
    """The servers that this process has started itself."""
    return descendants(os.getpid(), running="engines/child.py", deep=False)


def command_and_environment(pid: int) -> str:
    """What every user of the machine, and what its own user can see of a process."""
    return subprocess.run(["ps", "ewww", "-p", str(pid)], capture_output=True, text=True, check=True).stdout


async def say(model: Model | None, **more: Any) -> str:
    """What the model answers to a chat call, at its address and with its key."""
    assert model is not None
    assert model.credential is not None
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {model.credential.secret}"}, timeout=20) as client:
        answer = await client.post(f"{model.base_url}/chat/completions", json={**CHAT, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def test_it_is_the_engine_control_of_the_ports(house: House) -> None:
    control: EngineControl = house.engine
    assert callable(control.wake)


def test_a_file_is_a_model_that_sleeps_until_it_is_woken_and_then_answers(house: House, alpha_gguf: Path, beta_gguf: Path) -> None:
    house.folder.mkdir()
    (house.folder / "alpha.gguf").symlink_to(alpha_gguf)
    shutil.copy(beta_gguf, house.folder / "beta v1.gguf")

    async def story(house: House) -> None:
        asleep = house.engine.models()
        assert [model.id for model in asleep] == ["builtin/alpha", "builtin/beta v1"]
        assert {(model.provider, model.base_url, model.credential, model.context_length) for model in asleep} == {
            ("builtin", "", None, 2048)
        }
        assert asleep[0].capabilities == ("chat", "completions", "embeddings")
        assert children() == []
        await asyncio.gather(*(house.engine.wake(f"builtin/{name}") for name in ["alpha", "beta v1"] * 5))
        assert await say(house.model("alpha")) == ALPHA
        assert await say(house.model("beta v1")) == BETA
        assert len(children()) == 2
        assert [state.phase for state in house.engine.states()] == [Phase.AWAKE] * 2

    assert len(house.play(story).told) == 2


def test_the_key_is_random_wanted_and_in_no_argument_or_environment(house: House, alpha_gguf: Path) -> None:
    house.folder.mkdir()
    (house.folder / "alpha.gguf").symlink_to(alpha_gguf)

    async def story(house: House) -> None:
        await house.engine.wake("builtin/alpha")
        model = house.model("alpha")
        assert model is not None
        assert model.base_url is not None
        assert model.base_url.startswith("http://127.0.0.1:")
        assert model.credential is not None
        secret = model.credential.secret
        assert len(secret) >= 43
        async with httpx.AsyncClient() as client:
            for headers in ({}, {"authorization": "Bearer guessed"}):
                assert (await client.post(f"{model.base_url}/chat/completions", json=CHAT, headers=headers)).status_code == 401
        (pid,) = children()
        shown = command_and_environment(pid)
        assert "engines/child.py" in shown
        assert secret not in shown
        assert "SEKISHO_SECRET_KEY" not in shown

    os.environ["SEKISHO_SECRET_KEY"] = "not for children"
    try:
        house.play(story)
    finally:
        del os.environ["SEKISHO_SECRET_KEY"]


def test_embeddings_and_a_call_that_takes_the_whole_room(house: House, alpha_gguf: Path) -> None:
    house.folder.mkdir()
    (house.folder / "alpha.gguf").symlink_to(alpha_gguf)

    async def story(house: House) -> None:
        await house.engine.wake("builtin/alpha")
        model = house.model("alpha")
        assert model is not None
        assert model.credential is not None
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {model.credential.secret}"}, timeout=20) as client:
            answer = await client.post(f"{model.base_url}/embeddings", json={"input": ["a", "b"]})
        assert [len(each["embedding"]) for each in answer.json()["data"]] == [128, 128]
        # Four slots share 2,048 tokens, and one call may still use more than a quarter.
        assert await say(model, messages=[{"role": "user", "content": "x" * 1500}]) == ALPHA

    house.play(story)


def test_connections_that_are_kept_open_keep_nobody_waiting(house: House, alpha_gguf: Path) -> None:
    house.folder.mkdir()
    (house.folder / "alpha.gguf").symlink_to(alpha_gguf)

    async def story(house: House) -> None:
        await house.engine.wake("builtin/alpha")
        model = house.model("alpha")
        assert model is not None
        assert model.base_url is not None
        url = httpx.URL(model.base_url)
        async with asyncio.timeout(4), contextlib.AsyncExitStack() as stack:  # an idle connection gives its thread back after five
            for _ in range(100):
                reader, writer = await asyncio.open_connection(url.host, url.port)
                stack.callback(writer.close)
                writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")

    house.play(story)


def test_a_file_dropped_in_appears_and_one_taken_away_ends_its_server(house: House, alpha_gguf: Path) -> None:
    async def story(house: House) -> None:
        assert house.engine.models() == ()
        shutil.copy(alpha_gguf, house.folder / "late.gguf")
        await house.until(lambda: house.model("late"))
        await house.engine.wake("builtin/late")
        (pid,) = children()
        (house.folder / "late.gguf").unlink()
        await house.until(lambda: not house.model("late"))
        assert not alive(pid)
        with pytest.raises(EngineError, match="there is no model builtin/late; put its file into"):
            await house.engine.wake("builtin/late")

    house.play(story)


def test_a_file_that_was_replaced_is_served_anew(house: House, alpha_gguf: Path, beta_gguf: Path) -> None:
    house.folder.mkdir()
    shutil.copy(alpha_gguf, house.folder / "x.gguf")

    async def story(house: House) -> None:
        await house.engine.wake("builtin/x")
        assert await say(house.model("x")) == ALPHA
        shutil.copy(beta_gguf, house.folder / "new.part")
        (house.folder / "new.part").replace(house.folder / "x.gguf")
        await house.until(lambda: any(model.base_url == "" for model in house.engine.models()))
        await house.engine.wake("builtin/x")
        assert await say(house.model("x")) == BETA

    house.play(story)


def test_a_killed_server_is_up_again_by_itself_at_another_address_with_another_key(house: House, alpha_gguf: Path) -> None:
    house.folder.mkdir()
    (house.folder / "alpha.gguf").symlink_to(alpha_gguf)

    async def story(house: House) -> None:
        await house.engine.wake("builtin/alpha")
        first = house.model("alpha")
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)
        await house.until(lambda: len(house.told) == 3)
        assert [told[0].base_url == "" for told in house.told] == [False, True, False]
        second = house.model("alpha")
        assert first is not None
        assert second is not None
        assert (first.base_url, first.credential) != (second.base_url, second.credential)
        assert await say(second) == ALPHA
        (state,) = house.engine.states()
        assert (state.falls, state.phase) == (1, Phase.AWAKE)
        assert "signal 9" in state.last_error

    house.play(story)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[: len(data) // 2], r"bad cannot be loaded: tensor '.*' data is not within the file bounds"),
        (lambda data: data[:2000], r"bad cannot be loaded: .*"),
        (lambda data: data.replace(b"llama.block_count", b"llama.block_xxxxx"), r"bad cannot be loaded: .*block_count"),
    ],
    ids=["half a file", "a file cut in its head", "a fact is missing"],
)
def test_a_damaged_file_says_what_is_wrong_and_leaves_no_process(
    house: House, alpha_gguf: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    house.folder.mkdir()
    (house.folder / "bad.gguf").write_bytes(spoil(alpha_gguf.read_bytes()))

    async def story(house: House) -> None:
        with pytest.raises(EngineError, match=reason):
            await house.engine.wake("builtin/bad")
        assert children() == []
        with pytest.raises(EngineError, match="it will be tried again in"):
            await house.engine.wake("builtin/bad")
        shutil.copy(alpha_gguf, house.folder / "bad.gguf")  # mended: tried at once
        await house.until(lambda: house.told)
        await house.engine.wake("builtin/bad")
        assert await say(house.model("bad")) == ALPHA

    house.play(story)


def test_a_start_that_takes_too_long_is_ended_and_says_what_to_do(tmp_path: Path, endless_gguf: Path) -> None:
    house = House(tmp_path / "models", Engines(context_tokens=2048, start_timeout_s=0.05))
    house.folder.mkdir()
    (house.folder / "slow.gguf").symlink_to(endless_gguf)

    async def story(house: House) -> None:
        with pytest.raises(EngineError, match=r"slow was not loaded within 0.05 s; raise engines.start_timeout_s"):
            await house.engine.wake("builtin/slow")
        assert children() == []

    house.play(story)


def test_without_the_extra_the_remedy_is_named(house: House, alpha_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house.folder.mkdir()
    (house.folder / "alpha.gguf").symlink_to(alpha_gguf)
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    async def story(house: House) -> None:
        with pytest.raises(EngineError, match=r"pip install 'sekisho\[llama\]'"):
            await house.engine.wake("builtin/alpha")

    house.play(story)


@pytest.mark.parametrize(
    "model", ["builtin/../secret", "builtin/", "builtin", "", "other/alpha", "builtin/alpha.gguf", "builtin//etc/passwd"]
)
def test_a_name_that_is_not_listed_wakes_nothing(house: House, alpha_gguf: Path, model: str) -> None:
    house.folder.mkdir()
    (house.folder / "alpha.gguf").symlink_to(alpha_gguf)
    (house.folder.parent / "secret.gguf").symlink_to(alpha_gguf)

    async def story(house: House) -> None:
        with pytest.raises(EngineError, match="there is no model"):
            await house.engine.wake(model)
        assert children() == []

    house.play(story)


def test_closing_ends_a_server_that_is_in_the_middle_of_an_answer(house: House, endless_gguf: Path) -> None:
    house.folder.mkdir()
    (house.folder / "endless.gguf").symlink_to(endless_gguf)

    async def story(house: House) -> None:
        await house.engine.wake("builtin/endless")
        model = house.model("endless")
        assert model is not None
        assert model.credential is not None
        async with (
            httpx.AsyncClient(headers={"authorization": f"Bearer {model.credential.secret}"}, timeout=20) as client,
            client.stream("POST", f"{model.base_url}/chat/completions", json={**CHAT, "stream": True}) as answer,
        ):
            pieces = answer.aiter_raw()
            assert await anext(pieces)
            async with asyncio.timeout(2):
                await house.engine.close()
            assert children() == []

    house.play(story)


OWNER = """
import asyncio, json, sys
from pathlib import Path
from sekisho.engines.builtin import BuiltInEngine

async def main():
    async def change():
        pass
    engine = BuiltInEngine(Path(sys.argv[1]), on_change=change)
    await engine.open()
    waking = asyncio.gather(*(engine.wake(model.id) for model in engine.models()))
    if sys.argv[2] == "awake":
        await waking
    else:
        while not [state for state in engine.states() if state.phase.value == "starting"]:
            await asyncio.sleep(0)
        await asyncio.sleep(float(sys.argv[2]))
    print(json.dumps([state.pid for state in engine.states()]), flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def owner_of(folder: Path, moment: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A process that owns the engine over a folder, and its servers, at that moment."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), moment],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert owner.stdout is not None
    json.loads(owner.stdout.readline())
    servers = descendants(owner.pid)
    assert servers
    return owner, servers


def kill(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


@pytest.mark.parametrize("moment", ["awake", "0.05", "0.15", "0.25"])
def test_no_server_outlives_a_killed_node(tmp_path: Path, endless_gguf: Path, moment: str) -> None:
    (tmp_path / "endless.gguf").symlink_to(endless_gguf)
    owner, servers = owner_of(tmp_path, moment)
    kill(owner)
    eventually(lambda: not any(alive(pid) for pid in servers), "the end of the servers", 1.0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process that does not run with its parent")
def test_not_even_one_that_is_stuck(tmp_path: Path, alpha_gguf: Path) -> None:
    (tmp_path / "alpha.gguf").symlink_to(alpha_gguf)
    owner, servers = owner_of(tmp_path, "awake")
    for pid in servers:
        os.kill(pid, signal.SIGSTOP)
    kill(owner)
    eventually(lambda: not any(alive(pid) for pid in servers), "the end of the servers", 1.0)
