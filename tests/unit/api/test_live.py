"""Sockets of the live feed on the node's own server: who is let in, who is let go, and how."""

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sekisho.api import live as lives
from sekisho.api.doors import door
from sekisho.api.frame import Frame
from sekisho.api.live import Live
from sekisho.app import servers
from sekisho.bridge import feeds
from sekisho.bridge.feeds import Feed
from sekisho.bridge.pulses import Pulses
from sekisho.core.model.records import Status
from sekisho.kit.clock import SystemClock
from sekisho.rest.permissions import Caller, ProjectRole, Role
from sekisho.storage.errors import UnavailableError
from tests.unit.bridge.test_feeds import call

HOST = "127.0.0.1:4001"


class House:
    """A node's server with nothing but the feed; people are who their `x-name` says, as long as the test lets them."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.feed = Feed(SystemClock(), Pulses())
        self.live = Live(self.feed)
        self.people: dict[str, Caller] = {"olga": Caller(Role.OWNER, session_id="s-olga", user_id="u-olga")}
        self.away = False
        self.number = 0

    async def identifies(self, connection: HTTPConnection, stranger: Caller) -> Caller:
        if self.away:
            raise UnavailableError("the database is away")
        return self.people.get(connection.headers.get("x-name", ""), stranger)

    def record(self, count: int = 1, project: str = "default") -> None:
        self.number += count
        self.feed.recorded([call(seq, project, Status.COMPLETED) for seq in range(self.number - count + 1, self.number + 1)])

    def look(self, name: str = "olga", target: str = "/api/live", **more: Any) -> unix_connect:
        headers = {"x-name": name, "x-sekisho-scheme": "http", **more.pop("headers", {})}
        options: dict[str, Any] = {"additional_headers": headers, "compression": None, "origin": f"http://{HOST}", **more}
        return unix_connect(self.path, f"ws://{HOST}{target}", **options)


def played(tmp_path: Path, scene: Callable[[House], Awaitable[None]], name: str = "tunnel") -> None:
    async def play() -> None:
        house = House(tmp_path / "node")
        app = Starlette(routes=[lives.socket(house.live)])
        app.state.identifies = house.identifies
        app.add_middleware(Frame)
        listening = sockets.socket(sockets.AF_UNIX)
        listening.bind(house.path)
        listening.listen()
        server = servers.make(door(app, name))
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(30):
                await scene(house)
        finally:
            server.end()
            await serving
        assert len(house.live) == len(house.feed) == 0

    asyncio.run(play())


async def until(happened: Callable[[], object]) -> None:
    while not happened():  # noqa: ASYNC110 - nobody sets an event for it
        await asyncio.sleep(0.005)


async def calls(socket: ClientConnection, count: int) -> list[int]:
    """The numbers of the next calls that a socket tells of."""
    found: list[int] = []
    while len(found) < count:
        message = json.loads(await socket.recv())
        if message["type"] == "call.ended":
            found.append(int(message["data"]["id"].rpartition("-")[2]))
    return found


async def code(socket: ClientConnection) -> int:
    """With what it is closed."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.recv()
    assert socket.close_code is not None
    return socket.close_code


async def refusal(opening: unix_connect) -> tuple[int, Mapping[str, Any]]:
    with pytest.raises(InvalidStatus) as refused:
        async with opening:
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"")["error"]


def test_who_may_look_sees_calls(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        async with house.look() as socket:
            await until(lambda: len(house.feed))
            house.record(3)
            assert await calls(socket, 3) == [1, 2, 3]

    played(tmp_path, scene)


def test_a_refusal_comes_before_the_socket_opens_and_names_the_request(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        status, error = await refusal(house.look("nobody"))
        assert (status, error["code"]) == (401, "authentication_required")
        assert error["request_id"].startswith("req_")
        house.people["token"] = Caller(Role.OWNER, token_id="t", scopes=frozenset())
        assert (await refusal(house.look("token")))[0] == 403
        assert (await refusal(house.look(origin="http://evil.example")))[1]["code"] == "cross_site_request"
        assert (await refusal(house.look(headers={"sec-fetch-site": "cross-site"})))[1]["code"] == "cross_site_request"
        assert (await refusal(house.look(target="/api/live?after=x")))[0] == 422
        house.away = True
        assert (await refusal(house.look()))[0] == 503
        house.away = False
        assert len(house.live) == 0

    played(tmp_path, scene)


def test_the_owner_of_the_home_looks_through_their_own_door(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        async with house.look("nobody", origin=None) as socket:
            await until(lambda: len(house.feed))
            house.record()
            assert await calls(socket, 1) == [1]

    played(tmp_path, scene, "local")


@pytest.mark.parametrize("end", ["session", "user"])
def test_an_ending_closes_the_sockets_that_it_concerns_and_no_other(tmp_path: Path, end: str) -> None:
    async def scene(house: House) -> None:
        house.people["ann"] = Caller(Role.ADMIN, session_id="s-ann", user_id="u-ann")
        async with house.look("ann") as hers, house.look() as other:
            await until(lambda: len(house.feed) == 2)
            house.live.on_ended(frozenset({"s-nobody"}), "u-nobody")
            house.live.on_ended(frozenset({"s-ann"} if end == "session" else ()), "u-ann" if end == "user" else None)
            assert await code(hers) == 4401
            await until(lambda: len(house.feed) == 1)
            house.record()
            assert await calls(other, 1) == [1]

    played(tmp_path, scene)


def test_a_login_that_expires_or_sees_less_ends_at_the_next_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(lives, "FIRST_AGAIN_SECONDS", 0.01)

    async def scene(house: House) -> None:
        wide = {"a": ProjectRole.VIEWER, "b": ProjectRole.VIEWER}
        house.people["ann"] = house.people["bob"] = Caller(Role.USER, user_id="u", projects=wide)
        async with house.look("ann") as expires, house.look("bob") as narrows, house.look() as stays:
            await until(lambda: len(house.feed) == 3)
            house.away = True
            await asyncio.sleep(0.05)
            house.away = False
            assert len(house.feed) == 3, "a database that is away takes nothing from anybody"
            del house.people["ann"]
            assert await code(expires) == 4401
            house.people["bob"] = Caller(Role.USER, user_id="u", projects={"a": ProjectRole.VIEWER})
            assert await code(narrows) == 4401
            house.record()
            assert await calls(stays, 1) == [1]

    played(tmp_path, scene)


def test_who_does_not_read_is_dropped_with_1013_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "QUEUE", 200)
    monkeypatch.setattr(feeds, "CALLS_PER_SECOND", 10**6)
    monkeypatch.setattr(feeds, "MOST_PER_SECOND", 10**6)

    async def scene(house: House) -> None:
        # What it is sent goes into a few frames of its own, and from there on nobody takes it.
        async with house.look(max_queue=1, headers={"x-name": "olga"}) as slow, house.look() as quick:
            await until(lambda: len(house.feed) == 2)
            recorded = 0
            while len(house.feed) == 2:
                house.record(50)
                recorded += 50
                assert await calls(quick, 50) == list(range(recorded - 49, recorded + 1))
                assert recorded < 20_000, "the slow one was waited for"
            assert await code(slow) == 1013
            house.record()
            assert await calls(quick, 1) == [recorded + 1]

    played(tmp_path, scene)


def test_there_are_so_many_sockets_and_not_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "MOST_EACH", 2)
    monkeypatch.setattr(lives, "MOST", 3)

    async def scene(house: House) -> None:
        house.people["ann"] = Caller(Role.ADMIN, session_id="s-ann")
        async with house.look(), house.look():
            status, error = await refusal(house.look())
            assert (status, error["code"]) == (429, "too_many_sockets")
            async with house.look("ann"):
                status, error = await refusal(house.look("ann"))
                assert (status, error["code"]) == (503, "too_many_sockets")
        await until(lambda: not len(house.live))
        async with house.look() as socket:
            house.record()
            assert await calls(socket, 1) == [1]

    played(tmp_path, scene)


def test_nobody_takes_all_sockets_by_logging_in_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "MOST_PERSON", 2)

    async def scene(house: House) -> None:
        for number in (1, 2, 3):
            house.people[f"mallory{number}"] = Caller(Role.ADMIN, user_id="u-mallory", session_id=f"s-{number}")
        house.people["ann"] = Caller(Role.ADMIN, user_id="u-ann", session_id="s-ann")
        async with house.look("mallory1"), house.look("mallory2"), house.look("ann"):
            status, error = await refusal(house.look("mallory3"))
            assert (status, error["code"]) == (429, "too_many_sockets")

    played(tmp_path, scene)


def test_the_node_says_goodbye_when_it_ends(tmp_path: Path) -> None:
    told: list[Any] = []

    async def scene(house: House) -> None:
        socket = await house.look().__aenter__()
        await until(lambda: len(house.feed))
        told.append(asyncio.ensure_future(code(socket)))

    played(tmp_path, scene)
    assert told[0].result() == 1012


def test_a_message_that_stands_for_others_says_so_and_a_gap_has_no_data() -> None:
    item = feeds.Item(7, call(1, "p", Status.FAILED))
    told = json.loads(lives.written(feeds.Message(7, item, 5)))
    assert (told["seq"], told["type"], told["sampled"]) == (7, "call.ended", 5)
    assert told["data"]["status"] == "failed"
    assert "sampled" not in json.loads(lives.written(feeds.Message(7, item, 1)))
    assert json.loads(lives.written(feeds.Message(9, None))) == {"seq": 9, "type": "gap"}
