"""One product and one upstream for the whole table; the upstream's log is read when all cases have run."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.door.campaigns import CONSOLE_PORT, GATEWAY_PORT, Outcomes, campaign
from tests.e2e.door.cases import CASES
from tests.support.product import Product
from tests.support.upstream import Upstream

OURS = re.compile(rb"[pb][0-9]{5}-[01]-[0123]--")


@dataclass
class Door:
    """A product whose provider `up` is the recording upstream."""

    product: Product
    upstream: Upstream
    key: str

    @property
    def ports(self) -> dict[str, int]:
        return {GATEWAY_PORT: self.product.port, CONSOLE_PORT: self.product.console_port}

    @property
    def worker(self) -> int:
        """The process id of the one worker."""
        return int(self.product.status()["workers"][0])


def open_door(product: Product, upstream: Upstream) -> Door:
    """Register the upstream and make a key without limits."""
    product.add_provider("up", upstream.base_url, "--no-probe")
    product.cli("models", "add", "up/echo-model")
    return Door(product, upstream, str(product.create_key("door")["plain_key"]))


@pytest.fixture(scope="package")
def door() -> Iterator[Door]:
    """The door with all bounds at their defaults."""
    with Upstream() as upstream, Product() as product:
        yield open_door(product, upstream)


@dataclass
class Campaign:
    """All outcomes of the table, and what the upstream saw meanwhile."""

    outcomes: Outcomes
    seen: dict[bytes, list[bytes]]
    strangers: list[bytes]
    """Bodies at the upstream that belong to no run of the table."""


@pytest.fixture(scope="package")
def fought(door: Door) -> Campaign:
    """The whole table, run once."""
    door.upstream.forget()
    outcomes = asyncio.run(campaign(CASES, door.ports, door.key))
    seen: dict[bytes, list[bytes]] = defaultdict(list)
    strangers = []
    for call in door.upstream.calls:
        body = bytes(call.body)
        names = OURS.findall(body)
        if call.complete and len(names) == 1:
            seen[names[0]].append(body)
        else:
            strangers.append(bytes(call.raw[:500]))
    return Campaign(outcomes, dict(seen), strangers)


def errors_in(log: str) -> list[str]:
    """What fell over, according to a log: each message once, with the last line of its trace."""
    found: dict[str, None] = {}
    for line in filter(None, map(str.strip, log.splitlines())):
        record = json.loads(line) if line.startswith("{") else {"severity": "error", "message": line}
        if record.get("severity") not in ("debug", "info", "warning"):
            trace = str(record.get("error", {}).get("trace", "")).strip().splitlines()[-3:]
            found[f"{record.get('message')} {trace}"] = None
    return list(found)


def refusal_of(body: bytes) -> dict[str, object]:
    """The error object of an answer, without what differs from request to request."""
    error = dict(json.loads(body)["error"])
    error.pop("request_id")
    return error


HASTY = {
    "HEAD_TIMEOUT_S": "1.0",
    "BODY_IDLE_S": "1.0",
    "BODY_MIN_RATE": "2000",
    "WRITE_IDLE_S": "1.5",
    "KEEPALIVE_S": "1.5",
    "CONNECTIONS": "260",
    "CHAT_BODY_BYTES": "1000000",
    "JSON_BODY_BYTES": "1000000",
    "RESPONSE_BYTES": "2000000",
    "EVENT_BYTES": "100000",
}
"""Bounds turned down, so that a test need not wait for the real ones."""


@pytest.fixture(scope="package")
def hasty() -> Iterator[Door]:
    """A door with short deadlines and low bounds."""
    environment = {f"SEKISHO_BOUNDS__{name}": value for name, value in HASTY.items()}
    with Upstream() as upstream, Product(environment=environment) as product:
        yield open_door(product, upstream)
