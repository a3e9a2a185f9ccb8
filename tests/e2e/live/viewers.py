"""People who look at the live feed, through the console's door as a browser does."""

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final, Self

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.product import Product

PASSWORD: Final = "a sentence that is long enough"
LONG_S: Final = 30.0
"""The machine may stand still for seconds."""


class Viewer:
    """One login in one browser."""

    def __init__(self, origin: str, context: ssl.SSLContext | None = None) -> None:
        self.origin = origin
        self.context = context
        self.client = httpx.Client(base_url=origin, headers={"origin": origin}, verify=context or True, timeout=LONG_S)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer that has to be a success."""
        answer = self.client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        told = answer.json() if answer.content else None
        if isinstance(told, dict) and "csrf" in told:
            self.client.headers["x-csrf-token"] = told["csrf"]
        return told

    def claim(self, token: str) -> Self:
        """Become the owner."""
        self.ask(
            "POST",
            "/api/setup/claim",
            {"token": token, "email": "owner@example.org", "name": "Owner", "password": PASSWORD, "language": "en"},
        )
        self.ask("GET", "/api/auth/me")
        return self

    def log_in(self, email: str) -> Self:
        self.ask("POST", "/api/auth/login", {"email": email, "password": PASSWORD})
        self.ask("GET", "/api/auth/me")
        return self

    def look(self, after: int | None = None, **options: Any) -> "Look":
        """Open the feed; raises InvalidStatus where it is refused."""
        path = "/api/live" + ("" if after is None else f"?after={after}")
        cookie = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        given: dict[str, Any] = {
            "origin": self.origin,
            "additional_headers": {"cookie": cookie} if cookie else {},
            "ssl": self.context,
            "open_timeout": LONG_S,
            "close_timeout": 5,
            "proxy": None,
            "compression": None,
        }
        return Look(connect("ws" + self.origin.removeprefix("http") + path, **{**given, **options}))

    def close(self) -> None:
        self.client.close()


class Look:
    """One open feed, and what it told."""

    def __init__(self, connecting: AbstractContextManager[ClientConnection]) -> None:
        """Raises InvalidStatus where it is refused."""
        self._held = ExitStack()
        self.socket = self._held.enter_context(connecting)
        self.told: list[dict[str, Any]] = []

    @property
    def last(self) -> int:
        return int(self.told[-1]["seq"])

    def next(self, timeout: float = LONG_S) -> dict[str, Any]:
        message = json.loads(self.socket.recv(timeout=timeout))
        self.told.append(message)
        return dict(message)

    def until(self, enough: Callable[[list[dict[str, Any]]], object], timeout: float = LONG_S) -> list[dict[str, Any]]:
        """All that was told, once it is enough."""
        deadline = time.monotonic() + timeout
        while not enough(self.told):
            self.next(max(0.0, deadline - time.monotonic()))
        return self.told

    def calls(self) -> list[str]:
        """The request ids of the calls that were told of."""
        return [message["data"]["request_id"] for message in self.told if message["type"] == "call.ended"]

    def code(self, timeout: float = LONG_S) -> int | None:
        """The code with which the other side closes it; None where it just ends."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.next(max(0.0, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye."""
        self._held.close()

    def cut(self) -> None:
        """End the connection without a word."""
        with contextlib.suppress(OSError):
            self.socket.socket.shutdown(socket.SHUT_RDWR)


def owner_of(product: Product, origin: str | None = None, context: ssl.SSLContext | None = None) -> Viewer:
    """The first owner of a product that was just started."""
    token = product.stdout.partition("/setup#")[2].split()[0]
    return Viewer(origin or product.console_url, context).claim(token)


def refusal(viewer: Viewer, **options: Any) -> tuple[int, str]:
    """Status and code with which the feed is refused."""
    try:
        viewer.look(**options).close()
    except InvalidStatus as refused:
        return refused.response.status_code, json.loads(refused.response.body or b"{}").get("error", {}).get("code", "")
    raise AssertionError("the feed was opened")
