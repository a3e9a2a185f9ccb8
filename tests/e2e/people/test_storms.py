"""Two hundred wrong passwords at once: the accounts slow down, the others get in, and the gateway's calls do not notice."""

import os
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.people.visitors import LONG_S, PASSWORD, Visitor, link_of
from tests.support.product import Product

pytestmark = pytest.mark.e2e

GUESSES = 200


def test_guessing_hurts_nobody_but_the_guesser(product: Product) -> None:
    with Visitor(product) as owner:
        assert owner.claim(link_of(product)[1]).status_code == 201
    for name in ("mika", "nora"):
        product.cli("users", "create", f"{name}@example.org", "--name", name, "--password-stdin", input=PASSWORD)
    start, done, statuses = threading.Barrier(GUESSES // 8 + 1), threading.Event(), Counter[int]()

    def guess(number: int) -> None:
        with httpx.Client(base_url=product.console_url, timeout=LONG_S, trust_env=False) as client:
            start.wait(LONG_S)
            for turn in range(8):
                email = ("mika@example.org", "nobody@example.org")[turn % 2]
                statuses[client.post("/api/auth/login", json={"email": email, "password": f"guess {number} {turn}"}).status_code] += 1

    def call() -> int:
        """Calls of the gateway as long as the guessing goes on."""
        body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
        made = 0
        with httpx.Client(base_url=product.base_url, headers=product.authorization, timeout=LONG_S, trust_env=False) as client:
            while not done.is_set():
                assert client.post("/chat/completions", json=body).status_code == 200
                made += 1
        return made

    with ThreadPoolExecutor(GUESSES // 8 + 1) as pool:
        calls = pool.submit(call)
        guesses = [pool.submit(guess, number) for number in range(GUESSES // 8)]
        try:
            start.wait(LONG_S)
            for each in guesses:
                each.result()
        finally:
            done.set()
        assert calls.result() > 0
    assert sum(statuses.values()) == GUESSES
    assert set(statuses) <= {401, 429, 503}
    # A pause of a second or two may have passed, and let one more through.
    assert 0 < statuses[401] <= 20, statuses
    with Visitor(product) as colleague, Visitor(product) as victim:
        answer = colleague.log_in("nora@example.org")
        assert answer.status_code == 200, "the office's address has lost nobody"
        refused = victim.log_in("mika@example.org")
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 900


def niceness(thread: Path) -> int:
    """Of a process or thread, by its directory in /proc."""
    return int((thread / "stat").read_text().rpartition(")")[2].split()[16])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_the_hashing_comes_after_the_node_and_the_node_after_the_workers(product: Product) -> None:
    with Visitor(product) as owner:
        assert owner.claim(link_of(product)[1]).status_code == 201
    status = product.cli("status")
    (worker,), node = (Path(f"/proc/{pid}") for pid in status["workers"]), Path(f"/proc/{status['node']}")
    ours = niceness(worker)
    assert niceness(node) == ours + 5
    assert max(niceness(thread) for thread in (node / "task").iterdir()) == ours + 10
    group = node / "autogroup"
    if group.exists() and os.geteuid() == 0:
        # Without it the node, a session of its own, would be as dear to the scheduler as the worker. The system lets others than root
        # say so ten times a second only, all of them together.
        assert [each.read_text().split()[-1] for each in (group, worker / "autogroup")] == ["5", "0"]
