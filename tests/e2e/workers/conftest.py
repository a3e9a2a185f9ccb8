"""The product with four workers."""

from collections.abc import Iterator

import pytest

from tests.e2e.faults.arena import Arena
from tests.e2e.workers.crowds import WORKERS, TimedUpstream


@pytest.fixture
def four() -> Iterator[Arena]:
    """For those who kill."""
    with Arena.open(TimedUpstream(), workers=WORKERS) as arena:
        yield arena


@pytest.fixture(scope="session")
def crowd() -> Iterator[Arena]:
    """For those who leave it as it was."""
    with Arena.open(TimedUpstream(), workers=WORKERS) as arena:
        yield arena
