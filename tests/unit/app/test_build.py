"""The composition root over a real home: the product inside a command, and the real node alone."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from sekisho.app import build, homes, lifecycle, settings
from sekisho.core.wire import journal, link
from tests.integration.bridge.test_recorder import began, ended
from tests.support.product import eventually
from tests.unit.engines.test_library import MODEL

ROOT = Path(__file__).parents[3]


@pytest.fixture
def loaded(tmp_path: Path) -> settings.Loaded:
    return settings.load({"engines.detect": "false"}, {"SEKISHO_HOME": str(tmp_path / "home")})


def test_a_command_is_the_local_owner_under_the_lock(loaded: settings.Loaded) -> None:
    async def scene() -> None:
        async with (
            build.local_app(loaded) as app,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sekisho") as client,
        ):
            assert loaded.home.holder() == os.getpid()
            made = await client.post("/api/keys", json={"label": "mine"})
            assert made.status_code == 201, made.text
            assert made.json()["warnings"] == []
            status = (await client.get("/api/status")).json()
            assert status["supervisor"] is None
            assert status["workers"] == []
            assert status["revision"] == made.json()["revision"]
            with pytest.raises(homes.LockedError):
                async with build.local_app(loaded):
                    pass
        assert loaded.home.holder() is None
        async with build.local(loaded) as local:
            assert await build.first_key(local.services) is None, "a key exists already"

    asyncio.run(scene())


def test_a_reload_is_judged_with_the_flags_of_serve(loaded: settings.Loaded) -> None:
    said: list[lifecycle.Saying] = []
    loaded.home.create()
    loaded.home.config.write_text("[console]\nhost = '0.0.0.0'\n")

    def ask(flags: dict[str, str]) -> str | None:
        orders = lifecycle.Orders(str(loaded.home.path), loaded.settings, loaded.origins, 1, 4000, 4001, 0, False, flags=flags)
        return asyncio.run(lifecycle.NodeSystem(orders, lambda: lifecycle.Gauges((), 0.0), said.append).reload())

    assert "would send passwords over the network" in (ask({}) or "")
    assert said == []
    assert ask({"console.insecure": "true"}) is None
    assert said == [lifecycle.Reload()]


def test_the_status_tells_of_the_journal_and_of_engines(loaded: settings.Loaded) -> None:
    async def scene() -> None:
        loaded.home.create()
        (loaded.home.models / "tiny.gguf").write_bytes(MODEL)
        (loaded.home.models / "notes.gguf").write_text("no model")
        name = journal.segment_name("boot", 1, 1)
        frames = b"".join(journal.encode(frame) for frame in (began(1), ended(1, marks=(5,))))
        (loaded.home.journal / name).write_bytes(journal.segment_header("boot", 1, 1) + frames + bytes(100))
        (loaded.home.journal / f"{name}.64.damaged").write_bytes(b"x")
        async with (
            build.local_app(loaded) as app,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sekisho") as client,
        ):
            status = (await client.get("/api/status")).json()
            assert status["engines"] == [{"model": "tiny", "state": "asleep", "pid": None, "falls": 0, "last_error": None}]
            assert status["journal_set_aside"] == 1
            assert status["journal_lag_s"] > 0, "a record that cannot be recorded waits, and the command works all the same"
            found = {each["name"]: each for each in (await client.get("/api/doctor")).json()["findings"]}
            assert found["journal"]["level"] == "error"
            assert f"{name}.64.damaged" in found["journal"]["message"]
            assert found["model file"]["level"] == "warning"
            assert "models/notes.gguf is not served: " in found["model file"]["message"]
            assert found["hot path"]["level"] == "hint"

    asyncio.run(scene())


def test_the_first_key_is_made_once(loaded: settings.Loaded) -> None:
    async def scene() -> None:
        async with build.local(loaded) as local:
            key = await build.first_key(local.services)
            assert key is not None
            assert key.plain.reveal().startswith(f"sk-sek-{key.id}-")
            assert await build.first_key(local.services) is None

    asyncio.run(scene())


def test_a_start_that_fails_is_one_line_and_the_lock_is_free_again(loaded: settings.Loaded) -> None:
    async def scene() -> None:
        async with build.local_app(loaded):
            pass
        loaded.home.ring_file.unlink()
        with pytest.raises(build.StartError, match="put the file back"):
            async with build.local_app(loaded):
                pass
        assert loaded.home.holder() is None
        assert not loaded.home.ring_file.exists()

    asyncio.run(scene())


class Node:
    """The real node, whose supervisor and worker are played here."""

    def __init__(self, loaded: settings.Loaded, *, first: bool = True) -> None:
        loaded.home.create()
        self.loaded = loaded
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sekisho.app.node"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        orders = lifecycle.Orders(str(loaded.home.path), loaded.settings, loaded.origins, os.getpid(), 4000, 4001, 0, first)
        self.tell(lifecycle.encode(orders))

    def tell(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.decode() + "\n")
        self.process.stdin.flush()

    def hear(self) -> lifecycle.Saying:
        assert self.process.stdout is not None
        return lifecycle.decode_saying(self.process.stdout.readline())

    def client(self, door: Path) -> httpx.Client:
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(door)), base_url="http://localhost")

    def end(self) -> tuple[int, str]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    made: list[Node] = []
    yield made
    for node in made:
        node.process.kill()
        node.process.communicate()


def test_the_node_opens_both_doors_and_ends_with_its_supervisor(loaded: settings.Loaded, nodes: list[Node]) -> None:
    node = Node(loaded)
    nodes.append(node)
    ready = node.hear()
    assert isinstance(ready, lifecycle.Ready)
    assert ready.first_key is not None
    home = loaded.home
    assert all(
        path.stat().st_mode & 0o777 == 0o600
        for path in (home.node_socket, home.tunnel_socket, home.link_socket, home.ring_file, home.database)
    )
    with node.client(home.node_socket) as local, node.client(home.tunnel_socket) as tunnel:
        status = local.get("/api/status").json()
        assert status["node"] == node.process.pid
        assert status["supervisor"] == os.getpid()
        assert tunnel.get("/health").status_code == 200
        assert tunnel.get("/api/status").status_code == 401
        assert local.post("/api/system/stop").status_code == 202
        assert node.hear() == lifecycle.Stop()
        home.config.write_text("[bounds]\ndrian_s = 5\n")
        refused = local.post("/api/system/reload")
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_settings")
        assert "there is no setting bounds.drian_s; did you mean bounds.drain_s?" in refused.json()["error"]["message"]
        home.config.write_text("[bounds]\ndrain_s = 5\n")
        assert local.post("/api/system/reload").status_code == 202
        assert node.hear() == lifecycle.Reload(), "the first saying since: the refused one was not passed on"
    status_code, err = node.end()
    assert status_code == 0, err
    assert ready.first_key not in err
    assert ready.first_key.encode() not in home.database.read_bytes()


def test_a_worker_is_told_of_and_a_later_node_makes_no_key(loaded: settings.Loaded, nodes: list[Node]) -> None:
    for first in (True, False):
        node = Node(loaded, first=first)
        nodes.append(node)
        ready = node.hear()
        assert isinstance(ready, lifecycle.Ready)
        assert (ready.first_key is not None) == first
        with socket.socket(socket.AF_UNIX) as worker:
            worker.connect(str(loaded.home.link_socket))
            worker.sendall(link.encode(link.Hello(1, "boot", 4321)) + link.encode(link.Ack(2)))
            assert node.hear() == lifecycle.WorkerReady(4321)
            with node.client(loaded.home.node_socket) as local:
                assert local.get("/api/status").json()["workers"] == [4321]
        assert node.end()[0] == 0


def test_a_reload_shows_in_the_settings(loaded: settings.Loaded, nodes: list[Node]) -> None:
    node = Node(loaded)
    nodes.append(node)
    node.hear()
    changed = msgspec.structs.replace(loaded.settings, bounds=msgspec.structs.replace(loaded.settings.bounds, drain_s=7.0))
    node.tell(lifecycle.encode(lifecycle.Update((), changed, {"bounds.drain_s": "sekisho.toml"})))
    with node.client(loaded.home.node_socket) as local:

        def shown() -> bool:
            found = {each["name"]: each for each in local.get("/api/settings").json()["settings"]}
            return bool(found["bounds.drain_s"]["value"] == 7.0 and found["bounds.drain_s"]["source"] == "sekisho.toml")

        eventually(shown, "the settings are the new ones")


def test_a_node_that_cannot_start_says_why_in_one_line(loaded: settings.Loaded, nodes: list[Node]) -> None:
    loaded.home.create()
    loaded.home.database.write_text("this was never a database")
    loaded.home.ring_file.write_text(json.dumps({"format": 1, "keys": {"1": "A" * 43 + "="}}))
    node = Node(loaded)
    nodes.append(node)
    said = node.hear()
    assert isinstance(said, lifecycle.Failed)
    assert "sekisho.db" in said.message
    assert "\n" not in said.message
    assert node.end() == (1, "")
