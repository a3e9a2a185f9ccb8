"""One product for all that changes nothing."""

from collections.abc import Iterator

import pytest

from tests.e2e.tls.houses import SecureProduct


@pytest.fixture(scope="package")
def secure() -> Iterator[SecureProduct]:
    """A product in the mode `dev-selfsigned`."""
    with SecureProduct() as product:
        yield product
