"""The live feed through the console's door: one's own call at once, nothing lost and nothing twice over a cut, a goodbye for each end."""

import os
import signal
import time

import httpx
import pytest

from tests.e2e.live.viewers import LONG_S, Look, Viewer, owner_of
from tests.e2e.tls.houses import SecureProduct
from tests.support.product import Product, eventually

pytestmark = pytest.mark.e2e

SOON_S = 1.0
"""Within which one's own call is to be seen."""
TRIES = 5
"""The machine may stand still in one of them."""


def call(product: Product, verify: object = True) -> str:
    """Make a call; its request id."""
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
    answer = httpx.post(f"{product.base_url}/chat/completions", headers=product.authorization, json=body, timeout=LONG_S, verify=verify)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"]


def seen(look: Look, *calls: str) -> None:
    """Return once the feed told of these calls."""
    look.until(lambda _: set(calls) <= set(look.calls()))


def test_ones_own_call_is_seen_at_once_and_as_the_list_tells_it(product: Product, owner: Viewer) -> None:
    with owner.look() as look:
        took = []
        for _ in range(TRIES):
            started = time.monotonic()
            request_id = call(product)
            seen(look, request_id)
            took.append(time.monotonic() - started)
        assert min(took) < SOON_S, took
        told = {message["data"]["id"]: message["data"] for message in look.told if message["type"] == "call.ended"}
        listed = {each["id"]: each for each in owner.ask("GET", "/api/calls?limit=1000")["calls"]}
        assert told == {name: listed[name] for name in told}


def test_each_second_has_its_pulse_and_calls_are_in_it(product: Product, owner: Viewer) -> None:
    with owner.look() as look:
        first = look.until(lambda told: any(message["type"] == "pulse" for message in told))[0]["data"]
        assert set(first) == {"at", "passed", "refused", "failed", "gate_p50_us", "gate_p99_us"}
        look.told.clear()
        made = {call(product) for _ in range(3)}
        refused = httpx.get(f"{product.origin}/nowhere", timeout=LONG_S)
        assert refused.status_code == 404
        look.until(lambda told: sum(message["data"]["passed"] for message in told if message["type"] == "pulse") >= 3)
        look.until(lambda told: sum(message["data"]["refused"] for message in told if message["type"] == "pulse") >= 1)
        seen(look, *made)
        look.until(lambda told: any(message["data"].get("gate_p50_us") for message in told if message["type"] == "pulse"))


def test_a_cut_loses_nothing_and_brings_nothing_twice(product: Product, owner: Viewer) -> None:
    made = []
    with owner.look() as look:
        made += [call(product) for _ in range(3)]
        seen(look, *made)
        told, last = look.calls(), look.last
        # A cut, not a goodbye.
        look.cut()
    made += [call(product) for _ in range(4)]
    with owner.look(after=last) as again:
        made.append(call(product))
        seen(again, made[-1])
        assert [request for request in told + again.calls() if request in made] == made
        assert all(message["seq"] > last for message in again.told)
        assert not any(message["type"] == "gap" for message in again.told)


def test_a_number_that_is_not_known_is_told_to_be_a_gap(owner: Viewer) -> None:
    with owner.look(after=12345) as look:
        assert look.next()["type"] == "gap"
        assert look.next()["type"] == "pulse"


def test_a_logout_closes_what_is_open(product: Product, owner: Viewer) -> None:
    took = []
    for _ in range(TRIES):
        other = Viewer(owner.origin).log_in("owner@example.org")
        with other.look() as look, owner.look() as mine:
            look.next()
            started = time.monotonic()
            other.ask("POST", "/api/auth/logout")
            assert look.code() == 4401
            took.append(time.monotonic() - started)
            seen(mine, call(product))
        other.close()
    assert min(took) < SOON_S, took


def test_a_demotion_closes_what_is_open_and_who_comes_back_sees_as_much_as_they_may(product: Product, owner: Viewer) -> None:
    # `seen` by an admin: everything; by a guest of no project: nothing.
    made = owner.ask(
        "POST", "/api/users", {"email": "ann@example.org", "name": "Ann", "role": "admin", "password": "a sentence that is long enough"}
    )
    ann = Viewer(owner.origin).log_in("ann@example.org")
    with ann.look() as look:
        seen(look, call(product))
        owner.ask("PATCH", f"/api/users/{made['id']}", {"role": "guest"})
        assert look.code() == 4401
    with ann.look() as narrow, owner.look() as wide:
        request_id = call(product)
        seen(wide, request_id)
        # A pulse comes behind the call.
        narrow.until(lambda told: any(message["type"] == "pulse" for message in told))
        assert narrow.calls() == []
        assert all(message["data"]["refused"] is None and message["data"]["passed"] == 0 for message in narrow.told)
    ann.close()


def test_a_worker_that_stops_says_goodbye_and_the_next_goes_on(owner: Viewer, product: Product) -> None:
    with owner.look() as look:
        seen(look, call(product))
        before = product.status()["workers"]
        for pid in before:
            os.kill(pid, signal.SIGTERM)
        assert look.code() == 1001
        last = look.last
    eventually(lambda: (now := product.status()["workers"]) and not set(now) & set(before), "new workers", LONG_S)
    missed = call(product)
    with owner.look(after=last) as again:
        seen(again, missed)
        assert again.told[0]["type"] != "gap"


def test_a_node_that_is_killed_is_told_and_nothing_recorded_is_missed() -> None:
    with Product() as product:
        assert product.key
        owner = owner_of(product)
        with owner.look() as look:
            made = [call(product)]
            seen(look, *made)
            gone = product.kill_node()
            assert look.code() == 1012
            last = look.last
        # The workers serve meanwhile.
        made.append(call(product))
        eventually(lambda: product.run("status").returncode == 0 and product.status()["node"] != gone, "a new node", LONG_S)
        with owner.look(after=last) as again:
            assert again.next()["type"] == "gap"
            made.append(call(product))
            seen(again, made[-1])
        listed = {each["request_id"] for each in product.wait_calls(3, timeout=LONG_S)}
        assert set(made) <= listed, "what the gap hides is in the list"
        owner.close()


def test_the_node_closes_in_order_when_the_product_stops() -> None:
    product = Product()
    with product:
        assert product.key
        owner = owner_of(product)
        with owner.look() as look:
            look.next()
            assert product.process is not None
            product.process.send_signal(signal.SIGTERM)
            assert look.code() in (1001, 1012)
        owner.close()
        assert product.wait_exit(LONG_S) == 0


def test_it_works_over_tls() -> None:
    with SecureProduct() as secure:
        assert secure.key
        owner = owner_of(secure, context=secure.trust)
        with owner.look() as look:
            request_id = call(secure, verify=secure.trust)
            seen(look, request_id)
            before = secure.status()["workers"]
            for pid in before:
                os.kill(pid, signal.SIGTERM)
            assert look.code() == 1001
        owner.close()


def test_many_sit_there_and_cost_the_gateway_nothing_but_memory(product: Product, owner: Viewer) -> None:
    each, many = 16, 10
    tokens = [owner.ask("POST", "/api/auth/tokens", {"name": f"seat {number}"})["plain_token"] for number in range(many)]
    looks = []
    try:
        for token in tokens:
            for _ in range(each):
                header = {"authorization": f"Bearer {token}"}
                looks.append(owner.look(additional_headers=header, origin=None))
        request_id = call(product)
        for look in looks:
            seen(look, request_id)
    finally:
        for look in looks:
            look.cut()
            look.close()
    eventually(lambda: "\nsekisho_live_feeds 0.0\n" in httpx.get(f"{product.console_url}/metrics", timeout=LONG_S).text, "all gone", LONG_S)


def test_calls_through_all_workers_are_told_and_added_up() -> None:
    with Product(workers=2) as product:
        assert product.key
        eventually(lambda: len(product.status()["workers"]) == 2, "two workers", LONG_S)
        owner = owner_of(product)
        with owner.look() as look:
            # A connection of its own each: the workers share them out.
            made = {call(product) for _ in range(15)}
            seen(look, *made)
            assert len(look.calls()) == len(made), "each once"
            look.until(lambda told: sum(message["data"]["passed"] for message in told if message["type"] == "pulse") >= len(made))
            assert sum(message["data"]["passed"] for message in look.told if message["type"] == "pulse") == len(made)
        owner.close()
