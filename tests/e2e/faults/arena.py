"""The product with a scripted upstream behind it, and the management API as the local owner has it.

Nothing here knows the product from within: providers, keys and records go over the node's socket, calls over the gateway's port.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx

from tests.e2e.faults.clients import ask, chat
from tests.e2e.faults.rows import CREDENTIAL, STEADY
from tests.e2e.faults.scripts import ScriptedUpstream
from tests.support.product import Product, eventually

Record = dict[str, Any]

STEADINESS: Final = {"connect": 3, "first_byte": 20, "idle": 20, "total": 60}
RECORDED_S: Final = 10.0
"""How long a record may take to be in the database; the recorder writes twice a second."""


class Management:
    """The management API over the node's socket."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        transport = httpx.HTTPTransport(uds=str(socket_path))
        self._client = httpx.Client(transport=transport, base_url="http://sekisho", timeout=30, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def answers(self) -> bool:
        """Whether somebody listens there. Asked by hand, since the HTTP library forgets to close a socket that does not connect."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._path))
            except OSError:
                return False
            return True

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        return self._taken(self._client.get(path, params=query))

    def post(self, path: str, **body: object) -> dict[str, Any]:
        return self._taken(self._client.post(path, json=body))

    def patch(self, path: str, **body: object) -> dict[str, Any]:
        return self._taken(self._client.patch(path, json=body))

    def create_key(self, label: str, **limits: object) -> dict[str, Any]:
        """A new key; its text is under `plain_key`."""
        return self.post("/api/keys", label=label, **limits)

    def create_provider(
        self,
        name: str,
        base_url: str,
        credential: str = CREDENTIAL,
        timeouts: Mapping[str, float] | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        """A provider with the one model `name/m`."""
        given = {"name": name, "kind": "custom", "base_url": base_url, "api_key": credential, "ca_bundle": ca_bundle}
        self.post("/api/providers", **given, probe=False, timeouts=timeouts or STEADINESS)
        self.post("/api/models", id=f"{name}/m", upstream_model="m")

    def all_calls(self) -> list[Record]:
        """Every record there is, newest first."""
        return list(self._pages("/api/calls", "calls"))

    def all_refusals(self) -> list[Record]:
        return list(self._pages("/api/refusals", "refusals"))

    def knows_call(self, request_id: str) -> bool:
        """Whether the call is recorded by now."""
        return self._client.get(f"/api/calls/{request_id}").status_code == 200

    def _pages(self, path: str, plural: str) -> Iterator[Record]:
        cursor: str | None = None
        while True:
            page = self.get(path, limit=1000, **({"cursor": cursor} if cursor else {}))
            yield from page[plural]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    @staticmethod
    def _taken(answer: httpx.Response) -> dict[str, Any]:
        assert answer.is_success, f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
        return dict(answer.json())


class Arena:
    """A running product, its upstream and one key without limits."""

    def __init__(self, product: Product, upstream: ScriptedUpstream) -> None:
        self.product, self.upstream = product, upstream
        self.management = Management(product.home / "run" / "node.sock")
        self._providers: set[str] = set()
        self.wait_management()
        created = self.management.create_key("arena")
        self.key: str = created["plain_key"]
        self.key_id: str = created["id"]
        self.provider(STEADY)

    @classmethod
    @contextmanager
    def open(cls, upstream: ScriptedUpstream | None = None, **options: Any) -> Iterator[Self]:
        """Start the product (`options` are those of Product) and an upstream, and end both with the block."""
        with upstream or ScriptedUpstream() as running, Product(**options) as product:
            arena = cls(product, running)
            try:
                yield arena
            finally:
                arena.management.close()

    def wait_management(self) -> None:
        """The gateway serves before the node's doors are open; return when they are."""
        eventually(self.management.answers, "the management API", 30.0, explain=lambda: self.product.output)

    def restart(self) -> None:
        """Start the product again, which has ended."""
        self.product.start()
        self.wait_management()

    @property
    def port(self) -> int:
        return self.product.port

    def provider(
        self,
        name: str,
        base_url: str | None = None,
        credential: str = CREDENTIAL,
        timeouts: Mapping[str, float] | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        """Have a provider of this name with the model `name/m`; the scripted upstream unless told otherwise."""
        if name not in self._providers:
            self.management.create_provider(name, base_url or self.upstream.base_url, credential, timeouts, ca_bundle)
            self._providers.add(name)

    def records(self, request_ids: Iterable[str]) -> dict[str, list[Record]]:
        """All records of these requests, once each has one; after a while without, as far as they are."""
        wanted = list(request_ids)
        found: dict[str, list[Record]] = {}

        def complete() -> bool:
            found.clear()
            for record in self.management.all_calls():
                found.setdefault(record["request_id"], []).append(record)
            return all(request_id in found for request_id in wanted)

        with contextlib.suppress(AssertionError):  # whoever asked names what is missing
            eventually(complete, "all records", RECORDED_S)
        return {request_id: found.get(request_id, []) for request_id in wanted}

    def newcomer(self, label: str, **limits: object) -> "Newcomer":
        """A client with a key of its own, so that its records are told from all others even where it never got an answer."""
        created = self.management.create_key(label, **limits)
        return Newcomer(self, created["id"], created["plain_key"])

    def workers(self) -> list[int]:
        """The pids of the workers that serve."""
        return list(self.management.get("/api/status")["workers"])

    def settle(self) -> None:
        """Return when what the worker has written so far is in the database: a call made now is recorded after all before it."""
        last = asyncio.run(ask(self.port, chat("sandbox/echo", "last", self.key)))
        assert last.status == 200, last
        eventually(lambda: self.management.knows_call(last.request_id), "the journal read to its end", RECORDED_S)


@dataclass
class Newcomer:
    """One client with its own key."""

    arena: Arena
    key_id: str
    key: str

    def records(self) -> list[Record]:
        """Its records, as far as they are written."""
        return list(self.arena.management.get("/api/calls", key_id=self.key_id, limit=1000)["calls"])

    def record(self) -> Record:
        """Its one record."""
        eventually(self.records, f"a record of {self.key_id}", RECORDED_S)
        self.arena.settle()
        [record] = self.records()
        return record
