"""The product with a scripted upstream behind it, once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.e2e.faults.arena import Arena


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    with Arena.open() as arena:
        yield arena
