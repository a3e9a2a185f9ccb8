"""Every route over its own description, as the owner: no answer is a fault of ours, each is as the description says, and most are a yes.

Requests are drawn from the OpenAPI document and come through the tunnel, with the owner's cookie and CSRF token. In three of four the
names and secrets among what was drawn are replaced by such as are there (`arrangements`); the fourth is sent as it was drawn.
`SEKISHO_SCHEMA_CASES` sets how many are drawn for each route that has anything to draw; `-s` shows the table.
"""

import os
import shutil
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
from tests.integration.management.arrangements import ARRANGEMENTS, NEVER_DRAWN, Arranged, known
from tests.integration.management.conftest import Template
from tests.integration.management.drawn import World
from tests.integration.management.house import House
from tests.integration.management.people import Browser
from tests.support.issuer import Issuer
from tests.support.upstream import Upstream

pytestmark = pytest.mark.timeout(3600)
"""As long as the number of cases asks for."""

CASES = int(os.environ.get("SEKISHO_SCHEMA_CASES", "8"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

REDIRECTS = {
    "GET /api/auth/oidc/{name}/start": "a browser is sent on to the issuer: its success is a 303 that leads there",
    "GET /api/auth/oidc/{name}/callback": "a browser is sent on into the console: its success is a 303 that leads not back to the login",
}
"""Routes whose success is no 2xx."""

BODIES = {"json": "json", "content": "content", "data": "content"}
"""How a case calls its body, and how the client does."""

HARD = ("cursor", "after", "tz", "since", "until", "project", "anchor", "if-match")
"""Parameters of queries and headers that have a meaning which few texts have: left out of requests that are to succeed."""


class Driven:
    """A house that is asked by cases."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.counts: Counter[tuple[str, int]] = Counter()
        self.good: Counter[str] = Counter()
        self.refusals: dict[str, str] = {}
        """Of requests that were to succeed, the last that did not, by route."""

    async def _send(self, house: House, way: str, method: str, url: str, **more: Any) -> httpx.Response:
        app: Any = door(house.app, way)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sekisho") as client:
            return await client.request(method, url, **more)

    def ask(self, case: Any, name: str) -> None:
        """Send a case and check the answer."""
        number = self.world.number()
        real = sum(count for (each, _), count in self.counts.items() if each == name) % 4 != 3
        arrange = ARRANGEMENTS.get(name)
        arranged = Arranged() if arrange is None else arrange(self.world, number)
        if real:
            self._replace(case, name, arranged, number)
        if isinstance(case.body, dict) and name in NEVER_DRAWN:
            case.body |= NEVER_DRAWN[name]
        try:
            answer = self._answer(case, arranged)
        finally:
            if arranged.house is not None:
                arranged.house.__exit__(None, None, None)
                shutil.rmtree(arranged.house.home)
        self.counts[name, answer.status_code] += 1
        location = answer.headers.get("location", "/login?error=")
        if answer.is_success or (name in REDIRECTS and answer.status_code == 303 and not location.startswith("/login?error=")):
            self.good[name] += 1
        elif real:
            self.refusals[name] = f"{answer.status_code} {answer.text[:300]} to {case.path_parameters} {case.query} {case.body}"[:900]
        case.validate_response(Response.from_httpx(answer, verify=True), checks=CHECKS)
        self.world.tidy()

    def _replace(self, case: Any, name: str, arranged: Arranged, number: int) -> None:
        """Put what was arranged in the place of what was drawn."""
        for parameter in case.path_parameters or {}:
            there = arranged.path.get(parameter) or known(self.world, name, parameter, number)
            if there is not None:
                case.path_parameters[parameter] = there
        if arranged.body and not isinstance(case.body, dict):
            case.body, case.media_type = {}, "application/json"
        if isinstance(case.body, dict):
            case.body = {name: value for name, value in _whole(case.body).items() if arranged.nulls or value is not None}
            case.body |= {field: value for field, value in arranged.where.items() if case.body.get(field) is not None}
            case.body |= arranged.body
        for given_to in (case.query, case.headers):
            for parameter in list(given_to or ()):
                if parameter.lower() in HARD:
                    del given_to[parameter]
                elif parameter.lower() == "idempotency-key":
                    given_to[parameter] = f"drawn-{number}"
        if arranged.query:
            case.query = dict(arranged.query)

    def _answer(self, case: Any, arranged: Arranged) -> httpx.Response:
        sent = case.as_transport_kwargs(base_url="http://sekisho")
        house = arranged.house or self.world.house
        browser: Browser | None = arranged.browser or (self.world.owner if arranged.house is None else None)
        carried = {} if browser is None else browser.carries(sent["method"])
        answer = house.run(
            self._send(
                house,
                "local" if browser is None else "tunnel",
                sent["method"],
                sent["url"],
                params=sent.get("params"),
                headers={key: str(value) for key, value in (sent.get("headers") or {}).items()} | carried,
                **{theirs: sent[part] for part, theirs in BODIES.items() if sent.get(part) is not None},
            )
        )
        if browser is not None:
            browser.learns(answer)
        return answer


def _whole(drawn: Any) -> Any:
    """What was drawn, with 5 for 5.0: an integer to JSON Schema, and not to us."""
    if isinstance(drawn, dict):
        return {name: _whole(value) for name, value in drawn.items()}
    if isinstance(drawn, list):
        return [_whole(value) for value in drawn]
    return int(drawn) if isinstance(drawn, float) and drawn.is_integer() else drawn


def test_every_route_answers_as_it_is_described(sqlite_house: House, template: Template) -> None:
    def empty(home: Path) -> House:
        shutil.copy(template.database, home)
        return House(home, template.ring)

    told: list[str] = []
    with Upstream() as upstream, Issuer(lambda: sqlite_house.clock.at) as issuer:
        driven = Driven(World(sqlite_house, upstream, issuer, empty))
        schema = schemathesis.openapi.from_dict(sqlite_house.good("GET", "/api/openapi.json"))
        for found in schema.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]
            drive(driven, operation, f"{operation.method.upper()} {operation.path}", told)
    cases: Counter[str] = Counter()
    for (name, _), count in driven.counts.items():
        cases[name] += count
    for name in sorted(cases):
        statuses = {status: count for (each, status), count in sorted(driven.counts.items()) if each == name}
        print(f"{name:60} {cases[name]:5} {driven.good[name] / cases[name]:6.0%}  {statuses}  {REDIRECTS.get(name, '')}")
    print(f"{cases.total()} cases, {driven.good.total()} of them a success")
    assert not told, "\n\n".join(told)
    few = [f"{name}: {driven.refusals.get(name)}" for name in sorted(cases) if driven.good[name] * 2 < cases[name]]
    assert not few, "these routes say no to half of what they are asked:\n" + "\n".join(few)


def drive(driven: Driven, operation: Any, name: str, told: list[str]) -> None:
    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(), turn=st.integers(0, 3))
    def draw(case: Any, turn: int) -> None:
        # The turn is there so that a route of which nothing can be drawn is asked more than once.
        driven.ask(case, name)

    try:
        draw()
    except Exception as error:
        told.append(f"{name}: {type(error).__name__}: {error}"[:2500])
