"""Databases for products, and clusters that may be killed."""

import base64
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support import requires

if TYPE_CHECKING:
    from tests.support.postgres import Cluster


@pytest.fixture
def database_url(postgres_cluster: "Cluster") -> str:
    """An empty database of the shared cluster."""
    from tests.support.postgres import GUARDED

    name = postgres_cluster.create()
    return postgres_cluster.url(name, user=GUARDED)


@pytest.fixture
def own_cluster() -> Iterator["Cluster"]:
    """A cluster that commits to the disk, for a test that kills it."""
    requires.postgresql()
    from tests.support.postgres import Cluster

    with Cluster.start(durable=True) as cluster:
        yield cluster


@pytest.fixture
def secret_key() -> str:
    """One key ring for the nodes of one database."""
    return base64.b64encode(os.urandom(32)).decode()
