"""A door writes its name into the scope, over whatever stood there."""

import asyncio
from typing import Any

from sekisho.api.doors import door


def test_the_server_says_which_door_it_is() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def run() -> None:
        scope = {"type": "http", "sekisho.door": "local", "state": {}}
        await door(app, "tunnel")(scope, _receive, _send)
        assert scope["sekisho.door"] == "local"

    asyncio.run(run())
    assert [each["sekisho.door"] for each in seen] == ["tunnel"]


async def _receive() -> Any: ...


async def _send(_: Any) -> None: ...
