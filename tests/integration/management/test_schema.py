"""Every route over its own description, as the owner: no answer is a fault of ours, and each is as the description says.

Requests are drawn from the OpenAPI document; what names something is often the name of something that is there, so that what is drawn
gets past the first look. `SEKISHO_SCHEMA_CASES` sets how many are drawn for each route.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from sekisho.api.doors import door
from sekisho.rest.permissions import Caller, Role
from tests.integration.management.house import START, House
from tests.integration.management.records import record

pytestmark = pytest.mark.timeout(3600)
"""As long as the number of cases asks for."""

CASES = int(os.environ.get("SEKISHO_SCHEMA_CASES", "8"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

NOWHERE = "http://127.0.0.1:9/v1"
"""Nothing listens there: what asks a provider is answered at once."""

REAL: dict[str, dict[str, Any]] = {
    "POST /api/keys": {"label": "drawn", "project": "default", "models": None},
    "PATCH /api/keys/{key_id}": {"label": "drawn", "models": ["sandbox/*"], "expires_at": "2199-01-01T00:00:00Z"},
    "POST /api/keys/{key_id}/rotate": {"overlap_s": 5, "label": "turned"},
    "PATCH /api/providers/{name}": {"name": "up", "base_url": NOWHERE, "ca_bundle": None, "api_key": None},
    "POST /api/models": {"capabilities": None, "currency": "USD", "input_price": "1", "output_price": "2", "cached_input_price": None},
    "PUT /api/models/{model_id}/rate": {"currency": "USD", "input_price": "1", "output_price": "2", "cached_input_price": None},
}
"""Values that are taken, for fields of bodies of which few are."""

ALWAYS: dict[str, dict[str, Any]] = {
    "POST /api/providers": {"kind": "custom", "base_url": NOWHERE, "probe": False, "ca_bundle": None},
    "POST /api/backups": {"path": None},
}
"""Fields that are never drawn: nothing is asked and nothing written beyond the house."""


UNIQUE = {
    "POST /api/models": ("id", "up/drawn-{}"),
    "POST /api/users": ("email", "drawn-{}@example.org"),
    "POST /api/invitations": ("email", "asked-{}@example.org"),
}
"""Fields of which each request needs a value of its own."""

BODIES = {"json": "json", "content": "content", "data": "content"}
"""How a case calls its body, and how the client does."""


class Driven:
    """A house that is asked by cases."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.counts: Counter[tuple[str, int]] = Counter()
        self.known = self._seed()
        self._number = 0
        self._person = Caller(Role.OWNER, "cat@example.org", user_id=self.known.pop("person")[0])
        """Has no session, so nothing that is done ends it."""

    def _seed(self) -> dict[str, list[str]]:
        house = self.house
        keys = [house.good("POST", "/api/keys", {"label": f"key {number}"})["id"] for number in range(3)]
        house.good("POST", "/api/providers", {"name": "up", "kind": "custom", "base_url": NOWHERE, "probe": False})
        house.good("POST", "/api/models", {"id": "up/m", "input_price": "1", "output_price": "2"})
        record(house, *({"seq": number, "key_id": keys[0], "started_at": START + number} for number in range(1, 30)))
        person = {"role": "user", "password": "correct horse battery"}
        users = [
            house.good("POST", "/api/users", person | {"email": f"{name}@example.org", "name": name})["id"]
            for name in ("ann", "ben", "cat")
        ]
        return {
            "key_id": keys,
            "name": ["up"],
            "model_id": ["up/m"],
            "call": ["b00t-1", "req-3"],
            "project_id": ["default"],
            "user_id": users[:2],
            "person": users[2:],
        }

    async def _send(self, caller: Caller | None, method: str, url: str, **more: Any) -> httpx.Response:
        """As the local owner, or past the login as somebody."""
        local: Any = door(self.house.app, "local")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await local(scope if caller is None else scope | {"sekisho.caller": caller}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sekisho") as client:
            return await client.request(method, url, **more)

    def ask(self, case: Any, name: str, *, real: bool) -> None:
        """Send a case, with what is there in the place of what was drawn where it is to be `real`, and check the answer."""
        self._number += 1
        if real:
            for parameter in case.path_parameters or {}:
                known = self.known.get("call" if "calls" in name else parameter)
                if known:
                    case.path_parameters[parameter] = known[self._number % len(known)]
            if isinstance(case.body, dict) and name in REAL:
                case.body |= {field: value for field, value in REAL[name].items() if field in case.body}
            unique = UNIQUE.get(name)
            if unique and isinstance(case.body, dict):
                case.body[unique[0]] = unique[1].format(self._number)
        if isinstance(case.body, dict) and name in ALWAYS:
            case.body |= ALWAYS[name] | ({"name": f"drawn-{self._number}"} if real and name == "POST /api/providers" else {})
        for given_to in (case.query, case.headers):
            # Whoever makes a query by hand may write anything; these have a meaning that few texts have.
            for parameter in ("cursor", "after", "tz", "since", "until", "project", "If-Match", "Idempotency-Key") if given_to else ():
                if real and parameter in given_to:
                    del given_to[parameter]
        sent = case.as_transport_kwargs(base_url="http://sekisho")
        answer = self.house.run(
            self._send(
                self._person if name.partition(" ")[2].startswith("/api/auth/") and real else None,
                sent["method"],
                sent["url"],
                params=sent.get("params"),
                headers={key: str(value) for key, value in (sent.get("headers") or {}).items()},
                **{theirs: sent[part] for part, theirs in BODIES.items() if sent.get(part) is not None},
            )
        )
        self.counts[name, answer.status_code] += 1
        case.validate_response(Response.from_httpx(answer, verify=True), checks=CHECKS)
        if name == "POST /api/keys/{key_id}/revoke" and real:
            self.known["key_id"] = [self.house.good("POST", "/api/keys", {"label": "another"})["id"]]
        if name == "DELETE /api/providers/{name}" or (name == "PATCH /api/providers/{name}" and answer.is_success):
            self.known["name"] = [f"up-{self._number}"]
            self.house.good(
                "POST", "/api/providers", {"name": self.known["name"][0], "kind": "custom", "base_url": NOWHERE, "probe": False}
            )
            REAL["PATCH /api/providers/{name}"]["name"] = self.known["name"][0]
        if name.startswith("DELETE /api/models"):
            self.house.ask("POST", "/api/models", {"id": "up/m"})


def test_every_route_answers_as_it_is_described(sqlite_house: House, tmp_path: Path) -> None:
    driven = Driven(sqlite_house)
    schema = schemathesis.openapi.from_dict(sqlite_house.good("GET", "/api/openapi.json"))
    told: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        name = f"{operation.method.upper()} {operation.path}"
        drive(driven, operation, name, told)
    for name in sorted({name for name, _ in driven.counts}):
        by_status = {status: count for (each, status), count in sorted(driven.counts.items()) if each == name}
        print(f"{sum(by_status.values()):6} {sum(count for status, count in by_status.items() if status < 300):6}  {name}  {by_status}")
    print(f"{driven.counts.total()} cases, {sum(count for (_, status), count in driven.counts.items() if status < 300)} of them 2xx")
    assert not told, "\n\n".join(told)


def drive(driven: Driven, operation: Any, name: str, told: list[str]) -> None:
    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(), real=st.sampled_from([True, True, True, False]))
    def draw(case: Any, real: bool) -> None:
        driven.ask(case, name, real=real)

    try:
        draw()
    except Exception as error:
        told.append(f"{name}: {type(error).__name__}: {error}"[:2500])
