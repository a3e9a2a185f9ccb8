"""Clients that come all at once are spread over the workers: none of them is left with next to nothing."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.calamities.instruments import descriptors
from tests.support.product import Product, eventually

pytestmark = pytest.mark.e2e

CLIENTS = 64
BURSTS = 8
LEAST_SHARE = 0.25
"""Of all that came, for the worker with fewer: an even share is 0.5, and a busy machine does not give both their turns as they come."""


@contextlib.contextmanager
def burst(port: int) -> Iterator[None]:
    """So many connections in one instant, open for the length of the block."""
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(("127.0.0.1", port))
        yield


def test_a_burst_is_shared() -> None:
    with Product(workers=2) as product:
        assert product.key
        workers = [int(pid) for pid in product.status()["workers"]]
        shares = dict.fromkeys(workers, 0)
        for _ in range(BURSTS):
            before = {pid: descriptors(pid) for pid in workers}

            def come(before: dict[int, int] = before) -> dict[int, int]:
                return {pid: descriptors(pid) - before[pid] for pid in workers}

            with burst(product.port):
                # While it takes a breath, a worker has a descriptor fewer.
                eventually(lambda come=come: sum(come().values()) == CLIENTS, "all of them", 20)  # type: ignore[misc]
                for pid, count in come().items():
                    shares[pid] += count
            eventually(lambda come=come: sum(come().values()) == 0, "their end", 20)  # type: ignore[misc]
        print(f"{CLIENTS * BURSTS} connections: {sorted(shares.values())}")
        assert min(shares.values()) >= LEAST_SHARE * CLIENTS * BURSTS
