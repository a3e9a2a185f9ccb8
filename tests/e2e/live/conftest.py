"""One product for all that leaves it as it was, one of its own for those who kill."""

from collections.abc import Iterator

import pytest

from tests.e2e.live.viewers import Viewer, owner_of
from tests.support.product import Product


@pytest.fixture(scope="package")
def product() -> Iterator[Product]:
    """A running product."""
    with Product() as running:
        assert running.key
        yield running


@pytest.fixture(scope="package")
def owner(product: Product) -> Iterator[Viewer]:
    """Its owner, logged in at the console."""
    viewer = owner_of(product)
    yield viewer
    viewer.close()
