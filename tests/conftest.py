"""Fixtures that every test may ask for: real engines (shared by the session), upstreams, the product.

The session's engines are never changed by a test; who kills an engine starts one of its own with `Llama.start`.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import requires
from tests.support.authorities import Authority
from tests.support.llama import Llama
from tests.support.product import Product
from tests.support.upstream import Upstream

if TYPE_CHECKING:
    from tests.support.postgres import Cluster

ALPHA = "Alpha speaks from the first engine and then stops ."
BETA = "Beta is another engine , it says something else entirely ."
BUILTIN = "Sekisho itself runs this model in a child of its own ."


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """For a test that sets up logging in this process: afterwards all is as it was, for the tests that read what is logged."""
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in ("", "sekisho", "sekisho.test")}
    handlers = list(root.handlers)
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's GGUF files are made."""
    return tmp_path_factory.mktemp("gguf")


@pytest.fixture(scope="session")
def alpha_gguf(models_folder: Path) -> Path:
    """A model that says `ALPHA`."""
    return _make(models_folder, "alpha", ALPHA)


@pytest.fixture(scope="session")
def beta_gguf(models_folder: Path) -> Path:
    """A model that says `BETA`."""
    return _make(models_folder, "beta", BETA)


@pytest.fixture(scope="session")
def builtin_gguf(models_folder: Path) -> Path:
    """A model that says `BUILTIN`, for a home's models."""
    return _make(models_folder, "builtin", BUILTIN)


@pytest.fixture(scope="session")
def endless_gguf(models_folder: Path) -> Path:
    """A model that never stops by itself (77 MB)."""
    requires.llama()
    from tests.support import tiny_gguf

    return tiny_gguf.write(models_folder / "endless.gguf", tiny_gguf.ENDLESS)


@pytest.fixture(scope="session")
def alpha(alpha_gguf: Path) -> Iterator[Llama]:
    """A llama.cpp server that says `ALPHA` and wants the key `alpha-secret-key`."""
    with Llama.start(alpha_gguf, alias="alpha", api_key="alpha-secret-key") as server:
        yield server


@pytest.fixture(scope="session")
def beta(beta_gguf: Path) -> Iterator[Llama]:
    """A llama.cpp server that says `BETA` and wants no key."""
    with Llama.start(beta_gguf, alias="beta") as server:
        yield server


@pytest.fixture(scope="session")
def endless(endless_gguf: Path) -> Iterator[Llama]:
    """A llama.cpp server that talks until its client leaves."""
    with Llama.start(endless_gguf, alias="endless", embeddings=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator["Cluster"]:
    """A PostgreSQL that nobody kills; a test takes a database of its own with `create`."""
    requires.postgresql()
    from tests.support.postgres import Cluster

    with Cluster.start() as cluster:
        yield cluster


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A scriptable upstream over plain HTTP."""
    with Upstream() as server:
        yield server


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The session's certificate authority."""
    return Authority()


@pytest.fixture
def tls_upstream(authority: Authority) -> Iterator[Upstream]:
    """A scriptable upstream over TLS, signed by `authority`."""
    with Upstream(authority=authority) as server:
        yield server


@pytest.fixture
def product() -> Iterator[Product]:
    """Sekisho in an empty home, for one test."""
    with Product() as running:
        yield running


@pytest.fixture(scope="module")
def shared_product() -> Iterator[Product]:
    """Sekisho in an empty home, for all tests of a file: they must not disturb each other."""
    with Product() as running:
        yield running


def _make(folder: Path, name: str, sentence: str) -> Path:
    requires.llama()
    from tests.support import tiny_gguf

    return tiny_gguf.write(folder / f"{name}.gguf", tiny_gguf.Recipe(sentence=sentence, name=name))
