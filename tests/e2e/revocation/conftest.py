"""The product with two workers, since a change must be in force on all of them."""

from collections.abc import Iterator

import pytest

from tests.e2e.faults.arena import Arena


@pytest.fixture(scope="session")
def crowd() -> Iterator[Arena]:
    with Arena.open(workers=2) as arena:
        yield arena


@pytest.fixture(scope="session")
def alone() -> Iterator[Arena]:
    """With one worker, on which limits are exact."""
    with Arena.open() as arena:
        yield arena
